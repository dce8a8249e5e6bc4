# wsluice: see README.md. `make` needs a C compiler, pkg-config, the libraries below and nothing else.
#
#   make             build/wsluice                         make run        install what is missing, serve the demo
#   make bench       what it costs, beside others          make check      install what tests need, run them all
#   make page        the terminal page, bundled by npm into build/page; run and check do it too, a plain `make` never
#   make format      rewrite the sources in our style      make unit e2e fuzz browser   one kind of test
#   make soak        the long runs, SCALE=1                make units benches fuzzers   their programs only
#   make chaos       end to end with every process late now and then, as root: TESTS=tests/e2e RATES= (tests/chaos/run.sh)
#   make coverage    which lines of src/ws, src/http run   make mutate     do tests of src/ws notice faults? JOBS=1 SAMPLE= SEED=1
#   make interop     with libraries of others, N=10000 messages each of the runs
#   make bench       ROUNDS=9 WORK=TLS (a word in the names of works); leaves build/bench/report.md, .json, chart.svg
#   make bench-docs  what make bench left, into docs/performance.md and .svg: its tables, and the section of sizes
#   make cost        instructions and system calls a message: none may grow; make cost-baseline   what they are now
#   make bench-bytes   what unmasking and checking UTF-8 cost by each path that this processor has
#   make install     into DESTDIR and PREFIX, below        make uninstall               what install put there
#   make man         docs/wsluice.ini.5 anew               make clean                   remove build/
#
#   SAN=address,undefined | thread   sanitizers; builds in build/san-...      TIME=60 SEED=   of make fuzz: seconds a target
#   CC=clang BUILD=build/clang       another compiler, another directory      WERROR=   warnings stay warnings
#   CFLAGS=-g CPPFLAGS= LDFLAGS=     added to ours                            V=1       show the commands
#   DESTDIR=   put in front of every path that is written      PREFIX=/usr/local   and from it, each to be set alone:
#   bindir mandir docdir bashcompletiondir sysconfdir unitdir  `make install-strip` leaves debugging symbols out
CC      ?= cc
INSTALL ?= install
SAN     ?=
WERROR  ?= -Werror
VERSION := 0.1.0

comma := ,
Q = $(if $(V),,@echo "  $@";)
BUILD ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))

LIBS     := libevent_core libssl libcrypto libsystemd zlib jansson
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wswitch-enum \
            -Wconversion -Wno-sign-conversion -Wpointer-arith -Wundef -Wwrite-strings $(WERROR)
MACHINE  := $(shell $(CC) -dumpmachine 2>/dev/null)
HARDEN   := -fPIE -fstack-protector-strong -fstack-clash-protection \
            $(if $(filter x86_64-% i%86-%,$(MACHINE)),-fcf-protection) $(if $(filter aarch64-%,$(MACHINE)),-mbranch-protection=standard)
OPTIMISE := $(if $(SAN),-O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all,-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)

# Asked for once, and only when something is compiled: `make run` and `make check` install pkg-config first.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(patsubst -I%,-isystem%,$$(shell pkg-config --cflags $(LIBS))))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $$(shell pkg-config --libs $(LIBS)))$(PKG_LIBS)

ALL_CPPFLAGS = -D_GNU_SOURCE -Iinclude -DWSLUICE_VERSION='"$(VERSION)"' $(PKG_CFLAGS) $(CPPFLAGS)
CFLAGS   ?= -g
ALL_CFLAGS := -std=c11 -pthread $(WARNINGS) $(HARDEN) $(OPTIMISE) $(CFLAGS)
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
ALL_LDLIBS = $(PKG_LIBS) -linih -pthread $(LDLIBS)

SOURCES := $(wildcard src/*/*.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
UNITS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))

all: $(BUILD)/wsluice

$(BUILD)/wsluice: $(BUILD)/src/main.o $(BUILD)/libwsluice.a
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)
	$(if $(PAGE),,@echo 'no terminal page in this build: make page, then make')

$(BUILD)/libwsluice.a: $(OBJECTS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# One program for each unit test file, linked with everything but main.
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libwsluice.a
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS) -lcmocka

# The code of the tests themselves is much to optimise and little of what they run.
$(UNITS:=.o): ALL_CFLAGS += $(if $(SAN),-O0)

# Their allocations fail when they say so (tests/unit/failing.h).
$(patsubst %,$(BUILD)/tests/unit/test_%,inflater deflater message framer process targettable): \
	ALL_LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=inflateInit2_,--wrap=deflateInit2_

# Needs no library, so that it can be built for processors that there are none for here.
SIMD := frame_mask utf8 utf8_simd
$(BUILD)/tests/simd/paths: $(BUILD)/tests/simd/paths.o $(SIMD:%=$(BUILD)/src/ws/%.o)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS) -o $@ $^

$(BUILD)/tests/bench/bytes: $(BUILD)/libwsluice.a
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

# The pages are part of the program (.incbin). That of terminals is bundled by npm, which only `make page` asks; the
# others of these files are all that is needed without it. STATE changes when any of them does.
PAGE       := $(if $(wildcard build/page/terminal.js.gz),build/page)
PAGE_FILES := $(wildcard src/gate/console.html src/gate/console.css src/gate/console.js) page/ends.js \
              $(if $(PAGE),$(wildcard $(PAGE)/terminal.*),page/missing.html)
$(BUILD)/src/gate/console.o: $(PAGE_FILES)
$(BUILD)/src/gate/console.o: ALL_CPPFLAGS += $(PAGE:%=-DCONSOLE_PAGE='"%/"') \
	-DCONSOLE_STATE='"$(shell cat $(PAGE_FILES) | cksum | tr ' ' -)"'

page:
	@tools/page.sh

units: $(UNITS)
unit-objects: $(UNITS:=.o)
benches: $(BENCHES)

# libFuzzer is clang's; everything that is fuzzed is compiled for it, in a directory of its own.
fuzzers:
	@$(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined BUILD=build/fuzz fuzz-programs
fuzz-programs: $(FUZZERS)

$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/libwsluice.a
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_LDLIBS)

run:
	@tools/install.sh demo
	@tools/page.sh || echo 'run: going on without the terminal page' >&2
	@$(MAKE) --no-print-directory all $(BUILD)/tests/bench/tcpd
	@etc/demo/run.sh

check:
	@tests/check.sh

unit e2e browser cost:
	@tests/check.sh $@

# In make check it is the corpus alone.
fuzz:
	@TIME=$(or $(TIME),60) tests/check.sh $@

# Committed with the change that made them what they are.
cost-baseline: all
	@tests/cost/measure.py --wsluice=$(BUILD)/wsluice --save=tests/cost/baseline.json
	@git diff --stat tests/cost/baseline.json

interop:
	@N=$(or $(N),10000) tests/check.sh $@ && cat build/check/$@.log

bench:
	@tools/install.sh bench
	@$(MAKE) --no-print-directory all benches
	@tests/bench/compare.py --bench=$(BUILD)/tests/bench --with=all --wsluice=$(BUILD)/wsluice --out=$(BUILD)/bench \
		--seconds=0.4 --minutes=13 --rounds=$(or $(ROUNDS),9) $(if $(WORK),--work='$(WORK)')

# Committed with the figures that it has: all works, on a quiet machine.
bench-docs:
	@tests/bench/compare.py --again=$(BUILD)/bench/report.json --docs=docs/performance.md
	@git diff --stat docs/performance.md docs/performance.svg

bench-bytes: $(BUILD)/tests/bench/bytes
	@$<

# How much of the pure code its own unit tests run: src/ws/x_y.c by test_x.c, test_y.c and what begins like these.
COVERED       := src/http src/ws
COVERED_UNITS := $(sort $(wildcard $(foreach x,$(subst _, ,$(basename $(notdir $(wildcard $(COVERED:%=%/*.c))))),tests/unit/test_$x.c tests/unit/test_$x_*.c)))
coverage:
	@tools/install.sh check
	@$(MAKE) --no-print-directory BUILD=build/coverage CC=gcc CFLAGS='-Og -U_FORTIFY_SOURCE --coverage' \
		SOURCES='$(wildcard $(COVERED:%=%/*.c) src/base/*.c)' coverage-run
	@tools/coverage.py build/coverage 95 $(COVERED)
coverage-run: $(COVERED_UNITS:%.c=$(BUILD)/%)
	@find $(BUILD) -name '*.gcda' -delete
	@printf '%s\n' $^ | xargs -P 2 -I UNIT sh -c 'UNIT >UNIT.log 2>&1 || { cat UNIT.log; exit 1; }'

# Do the unit tests of src/ws notice a fault? JOBS at a time, in FILES, a SAMPLE of so many; see tools/mutate.py.
mutate:
	@tools/install.sh check
	@tools/mutate.py --jobs=$(or $(JOBS),1) $(SAMPLE:%=--sample=%) $(SEED:%=--seed=%) $(or $(FILES),$(wildcard src/ws/*.c))

soak:
	@tools/install.sh check
	@$(MAKE) --no-print-directory all benches
	@WSLUICE=$(abspath $(BUILD))/wsluice /usr/bin/python3 -m pytest -q tests/soak

# With more tests at once than there are CPUs, since they sleep most of the time.
chaos:
	@tools/install.sh check
	@$(MAKE) --no-print-directory all benches
	@$(MAKE) --no-print-directory SAN=address,undefined
	@[ -d tests/e2e/npm/node_modules ] || npm ci --no-audit --no-fund --prefix tests/e2e/npm
	@tests/chaos/run.sh $(RATES) /usr/bin/python3 -m pytest -q -n 8 --dist loadfile -o timeout=900 $(or $(TESTS),tests/e2e)

format:
	clang-format -i $$(find src include tests -name node_modules -prune -o -name '*.[ch]' -print)

clean:
	rm -rf build

# The page is committed, so that a build needs nothing to make it.
man: $(BUILD)/wsluice
	WSLUICE=$< tools/man.sh >$(BUILD)/wsluice.ini.5
	mv $(BUILD)/wsluice.ini.5 docs/wsluice.ini.5

# Where things go. systemd looks in /usr/local/lib/systemd/system too; its own directory is for packages (PREFIX=/usr).
PREFIX     ?= /usr/local
prefix      = $(PREFIX)
bindir      = $(prefix)/bin
datadir     = $(prefix)/share
docdir      = $(datadir)/doc/wsluice
mandir      = $(datadir)/man
sysconfdir  = $(if $(filter /usr,$(prefix)),/etc,$(prefix)/etc)
unitdir     = $(or $(if $(filter /usr,$(prefix)),$(shell pkg-config --variable=systemdsystemunitdir systemd 2>/dev/null)),$(prefix)/lib/systemd/system)
bashcompletiondir = $(datadir)/bash-completion/completions

INSTALL_PROGRAM = $(INSTALL)
CONFIG   = $(sysconfdir)/wsluice/wsluice.ini
TEXTS    = docs/wsluice.8:$(mandir)/man8 docs/wsluice.ini.5:$(mandir)/man5 etc/completion/wsluice:$(bashcompletiondir) \
           $(patsubst %,%:$(unitdir),$(wildcard systemd/*.service systemd/*.socket)) $(patsubst %,%:$(docdir),$(addprefix docs/,deployment.md performance.md performance.svg services.md terminals.md) LICENSE) \
           $(patsubst %,%:$(docdir)/examples,etc/wsluice.ini etc/wspipe.py $(wildcard etc/*logrotate* systemd/*.d/*.conf))

# The sources say /usr/bin/wsluice, /etc/wsluice and /usr/share/doc/wsluice; what is installed says where these are.
LOCALIZE = sed -e 's|/usr/bin/wsluice|$(bindir)/wsluice|g' -e 's|/etc/wsluice|$(sysconfdir)/wsluice|g' -e 's|/usr/share/doc/wsluice|$(docdir)|g'

# A configuration that is there is never written over.
install: all
	$(INSTALL_PROGRAM) -D -m 755 $(BUILD)/wsluice '$(DESTDIR)$(bindir)/wsluice'
	@set -e; for text in $(TEXTS); do from=$${text%%:*}; to='$(DESTDIR)'"$${text#*:}/$${from##*/}"; \
		echo "  $$to"; test -r $$from; $(LOCALIZE) $$from | $(INSTALL) -D -m 644 /dev/stdin "$$to"; done
	@if [ -e '$(DESTDIR)$(CONFIG)' ] || [ -L '$(DESTDIR)$(CONFIG)' ]; then echo '  kept: $(DESTDIR)$(CONFIG)'; \
	else $(LOCALIZE) etc/service.ini | $(INSTALL) -D -m 644 /dev/stdin '$(DESTDIR)$(CONFIG)' && echo '  $(DESTDIR)$(CONFIG)'; fi

install-strip:
	@$(MAKE) --no-print-directory install INSTALL_PROGRAM='$(INSTALL) -s'

# Takes away what install put there, and the directories that are ours alone; leaves a configuration that was changed.
uninstall:
	rm -f '$(DESTDIR)$(bindir)/wsluice'
	@for text in $(TEXTS); do from=$${text%%:*}; rm -f '$(DESTDIR)'"$${text#*:}/$${from##*/}"; done
	@[ ! -e '$(DESTDIR)$(CONFIG)' ] || if $(LOCALIZE) etc/service.ini | cmp -s - '$(DESTDIR)$(CONFIG)'; \
	then rm -f '$(DESTDIR)$(CONFIG)'; else echo '  left, since it was changed: $(DESTDIR)$(CONFIG)'; fi
	@for dir in '$(docdir)/examples' '$(docdir)' '$(sysconfdir)/wsluice'; do \
		[ ! -d '$(DESTDIR)'"$$dir" ] || rmdir --ignore-fail-on-non-empty '$(DESTDIR)'"$$dir"; done

-include $(OBJECTS:.o=.d) $(BUILD)/src/main.d $(UNITS:=.d) $(BENCHES:=.d) $(BUILD)/tests/simd/paths.d $(FUZZERS:$(BUILD)/%=$(BUILD)/tests/fuzz/%.d)
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all page units unit-objects benches fuzzers fuzz-programs run check unit e2e fuzz browser cost cost-baseline interop coverage coverage-run mutate bench bench-bytes bench-docs soak chaos format clean man install install-strip uninstall
