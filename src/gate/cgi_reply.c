/*
 * cgi_reply: keeps account of a CGI program's document on its way to the client.
 *
 * Owns how its end is told, and nothing else: the stream and the connection's life are the exchange's. Runs
 * on its loop's thread.
 */
#include "gate/cgi_reply.h"

#include "gate/reply.h"
#include "http/chunk.h"

#include <string.h>

/* Chooses among the four. A 205 has a document, of no bytes. */
static enum cgi_reply_framing cgi_reply_frame(const struct cgi_reply *reply, const struct cgihead *head)
{
	if (reply->only_head || head->status == 204 || head->status == 304)
		return CGI_REPLY_NOTHING;
	if (head->has_length || !head->has_content)
		return CGI_REPLY_LENGTH;
	return reply->old ? CGI_REPLY_CLOSE : CGI_REPLY_CHUNKED;
}

/* Asks for the framing. */
bool cgi_reply_needs_close(const struct cgi_reply *reply, const struct cgihead *head)
{
	return cgi_reply_frame(reply, head) == CGI_REPLY_CLOSE;
}

/* A HEAD is told the length that a GET would have. */
int cgi_reply_begin(struct cgi_reply *reply, struct stream *stream, const struct cgihead *head,
	const struct route_conf *route, bool close)
{
	reply->begun = true;
	reply->framing = cgi_reply_frame(reply, head);
	reply->length = head->has_content ? head->length : 0;
	bool told = reply->only_head && head->has_content && head->has_length;
	struct reply_program program = {
		.head = head,
		.has_length = reply->framing == CGI_REPLY_LENGTH || told,
		.len = reply->length,
		.chunked = reply->framing == CGI_REPLY_CHUNKED,
		.close = close,
		.route = route,
	};
	return reply_send_program(stream, &program);
}

/* Sends it as the framing has it. */
bool cgi_reply_add(struct cgi_reply *reply, struct stream *stream, const uint8_t *data, size_t len)
{
	char head[CHUNK_HEAD_MAX];

	if (!reply->begun || reply->framing == CGI_REPLY_NOTHING)
		return len == 0;
	if (reply->framing == CGI_REPLY_LENGTH && len > reply->length - reply->sent) {
		len = (size_t)(reply->length - reply->sent);
		reply->overlong = true;
	}
	if (len == 0)
		return !reply->overlong;
	reply->sent += len;
	if (reply->framing == CGI_REPLY_CHUNKED)
		stream_send(stream, head, chunk_head(head, len));
	stream_send(stream, data, len);
	if (reply->framing == CGI_REPLY_CHUNKED)
		stream_send(stream, CHUNK_TAIL, strlen(CHUNK_TAIL));
	return !reply->overlong;
}

/* Only a length tells before the end. */
bool cgi_reply_is_whole(const struct cgi_reply *reply)
{
	return reply->begun && (reply->framing == CGI_REPLY_NOTHING ||
				       (reply->framing == CGI_REPLY_LENGTH && reply->sent == reply->length));
}

/* Only the last chunk is still to be said. */
bool cgi_reply_end(const struct cgi_reply *reply, struct stream *stream, bool cut)
{
	if (reply->framing == CGI_REPLY_NOTHING || reply->framing == CGI_REPLY_LENGTH)
		return cgi_reply_is_whole(reply);
	if (!cut && reply->framing == CGI_REPLY_CHUNKED)
		stream_send(stream, CHUNK_LAST, strlen(CHUNK_LAST));
	return !cut;
}
