/*
 * names: a getaddrinfo(3) and a getnameinfo(3) that know the names of a test beside the machine's own, and
 * that can be made to take their time. One program includes it once.
 */
#ifndef TESTS_UNIT_NAMES_H
#define TESTS_UNIT_NAMES_H

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A name of a test: its addresses in digits with spaces between; NULL is an error of the name server. */
struct name {
	const char *host, *addrs;
	bool slow;	     /* waits for names_open() */
	const char *belongs; /* one address that is called so, whether or not it is among those above */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const struct name *table; /* ends with a NULL host */
	bool open;
	int n_waiting, n_waiting_max, n_lookups; /* lookups: of the table's names, finished or not */
	int n_reverse;				 /* lookups of addresses, of any */
} names = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* Begins anew with these names; slow ones wait. */
static inline void names_use(const struct name *table)
{
	pthread_mutex_lock(&names.lock);
	names.table = table;
	names.open = false;
	names.n_lookups = names.n_reverse = names.n_waiting_max = 0;
	pthread_mutex_unlock(&names.lock);
}

/* Slow ones are answered. */
static inline void names_open(void)
{
	pthread_mutex_lock(&names.lock);
	names.open = true;
	pthread_cond_broadcast(&names.changed);
	pthread_mutex_unlock(&names.lock);
}

static inline int names_get(const int *counter)
{
	pthread_mutex_lock(&names.lock);
	int n = *counter;
	pthread_mutex_unlock(&names.lock);
	return n;
}

/* One address as glibc allocates it, so that freeaddrinfo(3) frees it. */
static inline struct addrinfo *names_address(const char *digits, uint16_t port)
{
	struct both {
		struct addrinfo info;
		struct sockaddr_in6 addr;
	} *both = calloc(1, sizeof(*both));
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&both->addr;
	both->info.ai_socktype = SOCK_STREAM;
	both->info.ai_addr = (struct sockaddr *)(void *)&both->addr;
	if (inet_pton(AF_INET, digits, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		both->info.ai_family = AF_INET;
		both->info.ai_addrlen = sizeof(*v4);
	} else if (inet_pton(AF_INET6, digits, &both->addr.sin6_addr) == 1) {
		both->addr.sin6_family = AF_INET6;
		both->addr.sin6_port = htons(port);
		both->info.ai_family = AF_INET6;
		both->info.ai_addrlen = sizeof(both->addr);
	} else
		abort();
	return &both->info;
}

/* Waits its turn if it is slow. */
static inline void names_wait(const struct name *name)
{
	pthread_mutex_lock(&names.lock);
	names.n_lookups++;
	names.n_waiting++;
	if (names.n_waiting_max < names.n_waiting)
		names.n_waiting_max = names.n_waiting;
	while (name->slow && !names.open)
		pthread_cond_wait(&names.changed, &names.lock);
	names.n_waiting--;
	pthread_mutex_unlock(&names.lock);
}

/* Answers with the addresses of a family, 0 for both. */
static inline int names_answer(const struct name *name, int family, uint16_t port, struct addrinfo **out)
{
	names_wait(name);
	if (name->addrs == NULL)
		return EAI_FAIL;
	char *words = strdup(name->addrs), *rest = words;
	*out = NULL;
	for (char *word; (word = strsep(&rest, " ")) != NULL;) {
		if (family != 0 && family != (strchr(word, ':') == NULL ? AF_INET : AF_INET6))
			continue;
		*out = names_address(word, port);
		out = &(*out)->ai_next;
	}
	free(words);
	return 0;
}

typedef int names_getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* Takes the place of libc's. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	pthread_mutex_lock(&names.lock);
	const struct name *name = names.table;
	pthread_mutex_unlock(&names.lock);

	while (name != NULL && name->host != NULL && strcmp(name->host, host) != 0)
		name++;
	if (name != NULL && name->host != NULL && (hints->ai_flags & AI_NUMERICHOST) == 0)
		return names_answer(
			name, hints->ai_family, (uint16_t)(service == NULL ? 0 : atoi(service)), out);
	names_getaddrinfo_fn *real;
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(host, service, hints, out);
}

typedef int names_getnameinfo_fn(
	const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int);

/* Takes the place of libc's. */
int getnameinfo(const struct sockaddr *addr, socklen_t len, char *host, socklen_t host_len, char *service,
	socklen_t service_len, int flags)
{
	char digits[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)addr;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)addr;

	if (addr->sa_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, digits, sizeof(digits));
	else
		inet_ntop(AF_INET6, &v6->sin6_addr, digits, sizeof(digits));
	pthread_mutex_lock(&names.lock);
	const struct name *name = names.table;
	names.n_reverse++;
	pthread_mutex_unlock(&names.lock);

	while (name != NULL && name->host != NULL &&
		(name->belongs == NULL || strcmp(name->belongs, digits) != 0))
		name++;
	if (name != NULL && name->host != NULL && (flags & NI_NUMERICHOST) == 0) {
		names_wait(name);
		if (strlen(name->host) >= host_len)
			return EAI_OVERFLOW;
		strcpy(host, name->host);
		return 0;
	}
	if (strcmp(digits, "127.0.0.1") != 0) /* no name server is asked */
		return EAI_NONAME;
	names_getnameinfo_fn *real;
	*(void **)&real = dlsym(RTLD_NEXT, "getnameinfo");
	return real(addr, len, host, host_len, service, service_len, flags);
}

#endif
