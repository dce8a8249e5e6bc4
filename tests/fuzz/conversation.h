/*
 * conversation: all that was said on a connection, read at once when it is over: requests and responses, then
 * what the client's frames mean, and whether the gateway's are what a server may send (RFC 6455 sections 5
 * and 7). One program includes it once.
 */
#ifndef TESTS_FUZZ_CONVERSATION_H
#define TESTS_FUZZ_CONVERSATION_H

#include "heard.h"
#include "http/request.h"
#include "packing.h"
#include "ws/message.h"

#include <stdio.h>

/* Both sides of it; what is read of them moves on. */
struct conversation {
	uint8_t *sent;
	size_t n_sent;
	const uint8_t *heard;
	size_t n_heard;
	bool upgraded;		      /* the 101 was heard */
	struct heard messages, pings; /* that the client sent */
	struct message_event verdict; /* NEED_MORE, CLOSE or ERROR, after them */
	struct heard answers;	      /* messages that it heard */
	bool close_heard;
	uint16_t close_code;	   /* of that; CLOSE_NO_STATUS when there was none */
	bool in_frames;		   /* a message is being heard: its last frame is to come */
	bool packed, text, begins; /* ... it is compressed, is text, has said nothing yet */
};

/* For the next one. */
static inline void conversation_begin(struct conversation *talk, size_t room)
{
	struct heard messages = talk->messages, pings = talk->pings, answers = talk->answers;

	heard_clear(&messages);
	heard_clear(&pings);
	heard_clear(&answers);
	heard_reserve(&messages, room, room / 8);
	heard_reserve(&pings, room, room / 8);
	heard_reserve(&answers, room, room / 8);
	*talk = (struct conversation){ .messages = messages, .pings = pings, .answers = answers };
}

/* Steps over the head of a request. */
static inline bool conversation_skip_request(struct conversation *talk)
{
	struct http_scan scan = { 0 };
	long head = http_request_scan(&scan, (const char *)talk->sent, talk->n_sent, 1 << 20);

	if (head <= 0)
		return false;
	talk->sent += head;
	talk->n_sent -= (size_t)head;
	return true;
}

/* Returns the length of a response without its body, 0 when it is not whole. */
static inline size_t conversation_head(
	const struct conversation *talk, struct packing *packing, int *status, size_t *body)
{
	const uint8_t *end = memmem(talk->heard, talk->n_heard, "\r\n\r\n", 4);
	char head[4096] = "";

	if (end == NULL)
		return 0;
	size_t len = (size_t)(end - talk->heard) + 4;
	must(len < sizeof(head));
	memcpy(head, talk->heard, len);
	must(sscanf(head, "HTTP/1.1 %3d ", status) == 1);
	const char *field = strcasestr(head, "\r\nContent-Length: ");
	must((field == NULL) == (*status == 101));
	*body = field == NULL ? 0 : strtoul(field + 18, NULL, 10);
	if (*status == 101)
		packing_agree(packing, head);
	return len;
}

/* Reads responses up to the 101, and the requests that they answer. */
static inline void conversation_read_http(struct conversation *talk, struct packing *packing)
{
	size_t head, body = 0;
	int status = 0;

	while (!talk->upgraded && (head = conversation_head(talk, packing, &status, &body)) > 0) {
		if (talk->n_sent >= 5 && memcmp(talk->sent, "HEAD ", 5) == 0)
			body = 0;
		conversation_skip_request(talk);
		talk->upgraded = status == 101;
		if (body > talk->n_heard - head)
			body = talk->n_heard - head;
		talk->heard += head + body;
		talk->n_heard -= head + body;
	}
}

/* What the client said, read at once: messages, and pings one after another. */
static inline void conversation_read_sent(struct conversation *talk, struct message_reader *reader)
{
	struct message_event *event = &talk->verdict;

	do {
		size_t used = message_read(reader, talk->sent, talk->n_sent, event);
		talk->sent += used;
		talk->n_sent -= used;
		struct piece piece = { event->data, event->len, event->text, event->first, event->last };
		if (event->kind == MESSAGE_DATA)
			heard_piece(&talk->messages, &piece);
		piece = (struct piece){ event->data, event->len, false, true, true };
		if (event->kind == MESSAGE_PING)
			heard_piece(&talk->pings, &piece);
	} while (event->kind != MESSAGE_NEED_MORE && event->kind != MESSAGE_CLOSE &&
		 event->kind != MESSAGE_ERROR);
}

/* A pong must answer one of the pings that are left, and those before it stay unanswered. */
static inline void conversation_check_pong(
	const struct heard *pings, size_t *next, const uint8_t *data, size_t len)
{
	for (bool found = false; !found; *next += 2) {
		must(*next < pings->n_marks);
		size_t begin = pings->marks[*next].at, end = pings->marks[*next + 1].at;
		found = end - begin == len && (len == 0 || memcmp(pings->bytes + begin, data, len) == 0);
	}
}

/* A close frame: the last one, with a code that may be sent and a reason that is UTF-8. */
static inline void conversation_hear_close(struct conversation *talk, const uint8_t *data, size_t len)
{
	struct utf8 utf8 = { 0 };

	talk->close_heard = true;
	talk->close_code = CLOSE_NO_STATUS;
	must(len != 1);
	if (len < 2)
		return;
	talk->close_code = (uint16_t)(data[0] << 8 | data[1]);
	must(message_close_code_valid(talk->close_code));
	must(utf8_check(&utf8, data + 2, len - 2) == len - 2 && utf8_complete(&utf8));
}

/* Hears inflated payload. */
static inline void conversation_hear_unpacked(void *arg, uint8_t *data, size_t len)
{
	struct conversation *talk = arg;

	heard_piece(&talk->answers, &(struct piece){ data, len, talk->text, talk->begins, false });
	talk->begins = false;
}

/* Hears payload of a message, compressed or not. */
static inline void conversation_hear_data(struct conversation *talk, struct packing *packing,
	const struct frame_header *frame, uint8_t *data, size_t len)
{
	bool last = frame->fin && frame->len == len;

	if (frame->opcode != FRAME_CONTINUATION) {
		talk->packed = frame->rsv != 0;
		talk->text = frame->opcode == FRAME_TEXT;
		talk->begins = true;
	}
	must(frame->rsv == 0 || (packing->on && frame->rsv == 4 && frame->opcode != FRAME_CONTINUATION));
	must((frame->opcode == FRAME_CONTINUATION) == talk->in_frames);
	talk->in_frames = !last;
	if (!talk->packed) {
		heard_piece(&talk->answers, &(struct piece){ data, len, talk->text, talk->begins, last });
		talk->begins = false;
		return;
	}
	packing_unpack(packing, data, len, last, conversation_hear_unpacked, talk);
	if (last)
		heard_piece(&talk->answers, &(struct piece){ data, 0, talk->text, talk->begins, true });
}

/* Checks the frames that the client heard, and gathers their messages. The last one may be cut. */
static inline void conversation_read_heard(struct conversation *talk, struct packing *packing)
{
	struct frame_header frame;
	size_t next_ping = 0;

	while (talk->n_heard > 0) {
		int n = frame_decode(&frame, talk->heard, talk->n_heard);
		must(n >= 0 && !talk->close_heard);
		if (n == 0)
			return;
		must(!frame.masked);
		size_t left = talk->n_heard - (size_t)n;
		bool whole = frame.len <= left;
		uint8_t *data = (uint8_t *)(uintptr_t)talk->heard + n;
		size_t len = whole ? (size_t)frame.len : left;
		if (!frame_is_control(frame.opcode))
			conversation_hear_data(talk, packing, &frame, data, len);
		else
			must(frame.rsv == 0);
		if (whole && frame.opcode == FRAME_PONG)
			conversation_check_pong(&talk->pings, &next_ping, data, len);
		else if (whole && frame.opcode == FRAME_CLOSE)
			conversation_hear_close(talk, data, len);
		talk->heard += (size_t)n + len;
		talk->n_heard -= (size_t)n + len;
	}
}

#endif
