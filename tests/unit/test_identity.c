/*
 * Becoming somebody: that it allocates nothing, however many groups there are, since it happens between fork
 * and execve (needs root), and that groups are sorted. All else is in test_plan.c and in the end to end
 * tests.
 */
#include "spawn/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_HOOKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_HOOKS 1
#endif
#endif

static volatile unsigned n_allocations;

#ifdef HAS_HOOKS
/* As in sanitizer/allocator_interface.h, which not every compiler installs. */
int __sanitizer_install_malloc_and_free_hooks(
	void (*on_malloc)(const volatile void *, size_t), void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *ptr, size_t size)
{
	(void)ptr;
	(void)size;
	n_allocations++;
}

static void on_free(const volatile void *ptr)
{
	(void)ptr;
}

static void count_allocations(void)
{
	assert_int_not_equal(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free), 0);
}
#else
static void count_allocations(void)
{
}
#endif

enum { MANY = 5000 };

/* One with n groups: `first` and what follows it. */
static void make_identity(struct identity *identity, size_t n, gid_t first)
{
	*identity = (struct identity){ .uid = 4242, .gid = 4243, .n_groups = (int)n };
	identity->groups = calloc(n, sizeof(gid_t));
	identity->room = calloc(n, sizeof(gid_t));
	assert_true(identity->groups != NULL && identity->room != NULL);
	for (size_t i = 0; i < n; i++)
		identity->groups[i] = first + (gid_t)i;
}

/* Becomes it in a process of its own; its exit status is the errno, or 255 when anything was allocated. */
static int become(const struct identity *identity)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const char *step;
		n_allocations = 0;
		int error = identity_become(identity, &step);
		_exit(n_allocations > 0 ? 255 : -error);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_allocates_nothing(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 255, 256, 257, MANY };
	struct identity identity;
	(void)state;
	if (getuid() != 0)
		skip();
	count_allocations();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_identity(&identity, sizes[i], 5000);
		assert_int_equal(become(&identity), 0);
		identity_done(&identity);
	}
}

static void check_sorted(const gid_t *ids, size_t n, uint64_t sum)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 || ids[i - 1] <= ids[i]);
		sum -= (uint64_t)ids[i] * ids[i];
	}
	assert_true(sum == 0); /* none was lost */
}

/* The kernel tells the groups in an order of its own. */
static void test_sort(void **state)
{
	enum { MOST = 70 };
	(void)state;
	srand(1);
	for (size_t n = 0; n <= MOST; n++) {
		for (int order = 0; order < 50; order++) {
			gid_t ids[MOST + 1];
			uint64_t sum = 0;
			for (size_t i = 0; i < n; i++) {
				if (order < 2) /* ascending, descending */
					ids[i] = (gid_t)(order == 0 ? i : n - i);
				else /* with more and more that are equal */
					ids[i] = UINT32_MAX - (gid_t)rand() % (gid_t)(1 + MOST / order);
				sum += (uint64_t)ids[i] * ids[i];
			}
			ids[n] = 12345;
			identity_sort(ids, n);
			check_sorted(ids, n, sum);
			assert_int_equal(ids[n], 12345);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allocates_nothing),
		cmocka_unit_test(test_sort),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
