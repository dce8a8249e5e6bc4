# wsluice: see README.md. `make` needs a C compiler, pkg-config's libraries and nothing else.
#
#   make                 build/wsluice                     make run      install what is missing, serve the demo
#   make SAN=address,undefined | SAN=thread                make check    install what tests need, run them all
#   make CC=clang BUILD=build/clang                        make unit e2e fuzz browser bench   one kind of test
#   make WERROR=         warnings stay warnings            make format   rewrite the sources in the project's style
#   make clean
CC      ?= cc
SAN     ?=
WERROR  ?= -Werror
VERSION := 0.1.0

comma := ,
BUILD ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))

LIBS     := libevent_core libevent_pthreads openssl zlib
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wswitch-enum \
            -Wconversion -Wno-sign-conversion -Wpointer-arith -Wundef -Wwrite-strings $(WERROR)
HARDEN   := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
OPTIMISE := $(if $(SAN),-O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all,-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)

CPPFLAGS += -D_GNU_SOURCE -Iinclude -DWSLUICE_VERSION='"$(VERSION)"' $(patsubst -I%,-isystem%,$(shell pkg-config --cflags $(LIBS)))
CFLAGS   ?= -g
ALL_CFLAGS := -std=c11 -pthread $(WARNINGS) $(HARDEN) $(OPTIMISE) $(CFLAGS)
LDFLAGS  += -pie -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN))
LDLIBS   += $(shell pkg-config --libs $(LIBS)) -linih -pthread

SOURCES := $(wildcard src/*/*.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
UNITS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

all: $(BUILD)/wsluice

$(BUILD)/wsluice: $(BUILD)/src/main.o $(BUILD)/libwsluice.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libwsluice.a: $(OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# One program for each unit test file, linked with everything but main.
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libwsluice.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

units: $(UNITS)
benches: $(BENCHES)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build

-include $(OBJECTS:.o=.d) $(BUILD)/src/main.d $(UNITS:=.d) $(BENCHES:=.d)
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all units benches format clean
