/*
 * wire: a TCP connection over the loopback, both ends in this process, and the frames of a WebSocket client
 * on it. cmocka.h comes before.
 */
#ifndef TESTS_UNIT_WIRE_H
#define TESTS_UNIT_WIRE_H

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>

#include "rig.h"
#include "ws/frame.h"

/* Two ends, not blocking; fds[0] is who was called. `small`: with little room in the kernel. */
static inline void wire_new(int fds[2], bool small)
{
	int on = 1, room = 4096;
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rig_has_tcp = true;
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (small) {
		setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	}
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(fds[1], (struct sockaddr *)&addr, len), 0);
	fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fds[0] >= 0);
	close(listener);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Closes an end with a reset. */
static inline void wire_reset(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* How many bytes of what an end sent were acknowledged, and how many came to it. What libc knows of tcp_info
 * ends before that. */
static inline void wire_count(int fd, uint64_t *acked, uint64_t *came)
{
	struct {
		struct tcp_info known;
		uint64_t rates[2], acked, came;
	} info;
	socklen_t len = sizeof(info);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_true(len >= sizeof(info));
	*acked = info.acked;
	*came = info.came;
}

/* From now on an end takes nothing of what the other one sends, whatever its kernel has room for or asks for
 * after a while; but it hears of a reset. What it took before is acknowledged, which may be some 40 ms later.
 */
static inline void wire_deafen(int fd, int other)
{
	struct sock_filter resets_only[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13), /* the flags of TCP */
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 4, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .len = 4, .filter = resets_only };
	uint64_t acked, came, unused;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
	for (int ms = 0;; ms++) {
		rig_settle();
		wire_count(fd, &unused, &came);
		wire_count(other, &acked, &unused);
		if (acked >= came)
			return;
		assert_true(ms < 60000);
		poll(NULL, 0, 1);
	}
}

/* Writes all of it; there must be room. */
static inline void wire_write(int fd, const void *data, size_t len)
{
	assert_int_equal(write(fd, data, len), len);
}

/* A client's frame in out, which has room for 14 bytes more than len; first: FIN, RSV and opcode. Returns its
 * size. */
static inline size_t wire_frame(uint8_t *out, uint8_t first, const void *data, size_t len)
{
	struct frame_header header = { .fin = first >> 7,
		.rsv = first >> 4 & 7,
		.opcode = first & 0xf,
		.masked = true,
		.key = { 0x12, 0x34, 0x56, 0x78 },
		.len = len };
	size_t n = frame_encode(&header, out);
	if (len > 0)
		memcpy(out + n, data, len);
	frame_mask(out + n, len, header.key, 0);
	return n + len;
}

/* Sends a client's frame of less than 4 KiB. */
static inline void wire_send(int fd, uint8_t first, const void *data, size_t len)
{
	uint8_t frame[4096 + FRAME_HEADER_MAX];
	wire_write(fd, frame, wire_frame(frame, first, data, len));
}

#endif
