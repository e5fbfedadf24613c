#pragma once
// What a host process gives up for ever before it runs a script. All of it answers 0, or the system's error number
// where the kernel refuses; `ENOSYS` where there is no such thing.
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

// The process can never gain rights, and no other process of its user may look into it.
static inline int terapi_give_up_privileges(void) {
#ifdef __linux__
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
#else
    return 0;
#endif
}

// Into a network without interfaces; for an ordinary user by way of a user namespace. Before there are threads.
static inline int terapi_leave_network(int with_user_namespace) {
#ifdef __linux__
    long flags = CLONE_NEWNET | (with_user_namespace ? CLONE_NEWUSER : 0);
    return syscall(SYS_unshare, flags) == 0 ? 0 : errno;
#else
    return ENOSYS;
#endif
}

// From root to a user who owns nothing.
static inline int terapi_drop_user(uint32_t user) {
#ifdef __linux__
    if (setgroups(0, NULL) != 0 || setgid(user) != 0 || setuid(user) != 0) return errno;
    return 0;
#else
    return ENOSYS;
#endif
}

// Nothing in the file system can be changed or executed any more. Reading ends with the system calls.
static inline int terapi_refuse_file_changes(void) {
#if defined(__linux__) && defined(SYS_landlock_create_ruleset)
    struct landlock_ruleset_attr rules = {0};
    rules.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE
        | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR
        | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK
        | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
    long set = syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules.handled_access_fs), 0);
    if (set < 0) return errno;
    int error = syscall(SYS_landlock_restrict_self, set, 0) == 0 ? 0 : errno;
    close((int)set);
    return error;
#else
    return ENOSYS;
#endif
}

// From here on only the system calls of a running JavaScript engine and of our loop work: memory, threads of this
// process, clocks, and reading and writing what is open. Everything else answers EPERM, in all threads.
static inline int terapi_refuse_system_calls(void) {
#if defined(__linux__) && defined(SECCOMP_FILTER_FLAG_TSYNC) && (defined(__x86_64__) || defined(__aarch64__))
#ifdef __x86_64__
    const uint32_t architecture = AUDIT_ARCH_X86_64;
#else
    const uint32_t architecture = AUDIT_ARCH_AARCH64;
#endif
    const int allowed[] = {
        // The socket to the server, and what was opened before
        SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_recvfrom, SYS_recvmsg, SYS_sendto, SYS_sendmsg,
        SYS_ppoll, SYS_close, SYS_fstat, SYS_lseek, SYS_eventfd2,
        // Memory
        SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_mincore, SYS_brk, SYS_membarrier,
        // Threads and their signals
        SYS_futex, SYS_set_robust_list, SYS_get_robust_list, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
        SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_sched_yield, SYS_sched_getaffinity,
        SYS_sched_getparam, SYS_sched_getscheduler, SYS_getpriority, SYS_restart_syscall, SYS_set_tid_address,
        SYS_exit, SYS_exit_group,
        // Clocks and facts
        SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_getrandom,
        SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getrusage,
        SYS_sysinfo, SYS_uname, SYS_getcpu,
#ifdef SYS_rseq
        SYS_rseq,
#endif
#ifdef SYS_poll
        SYS_poll,
#endif
#ifdef SYS_time
        SYS_time,
#endif
    };
    enum { count = sizeof(allowed) / sizeof(allowed[0]) };
    struct sock_filter program[2 * count + 32];
    unsigned short length = 0;
#define TERAPI_STATEMENT(code, value) program[length++] = (struct sock_filter)BPF_STMT(code, value)
#define TERAPI_JUMP(code, value, yes, no) program[length++] = (struct sock_filter)BPF_JUMP(code, value, yes, no)
#define TERAPI_LOAD(field) TERAPI_STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define TERAPI_IF_EQUAL(value) TERAPI_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, 1)
#define TERAPI_ANSWER(value) TERAPI_STATEMENT(BPF_RET | BPF_K, value)
    const uint32_t refused = SECCOMP_RET_ERRNO | EPERM;
    TERAPI_LOAD(arch);
    TERAPI_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0);
    TERAPI_ANSWER(SECCOMP_RET_KILL_PROCESS);
    TERAPI_LOAD(nr);
    for (int index = 0; index < count; index++) {
        TERAPI_IF_EQUAL(allowed[index]);
        TERAPI_ANSWER(SECCOMP_RET_ALLOW);
    }
    // New threads, not new processes. Flags of clone3 stand in memory where a filter cannot look: the C library then
    // takes clone. (All these arguments are small: their lower halves say everything.)
#ifdef SYS_clone3
    TERAPI_IF_EQUAL(SYS_clone3);
    TERAPI_ANSWER(SECCOMP_RET_ERRNO | ENOSYS);
#endif
    TERAPI_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
    TERAPI_LOAD(args[0]);
    TERAPI_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
    TERAPI_ANSWER(SECCOMP_RET_ALLOW);
    TERAPI_ANSWER(refused);
    // Signals to its own threads: the engine stops them to collect garbage.
    TERAPI_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 4);
    TERAPI_LOAD(args[0]);
    TERAPI_IF_EQUAL(getpid());
    TERAPI_ANSWER(SECCOMP_RET_ALLOW);
    TERAPI_ANSWER(refused);
    // Names of threads and of memory.
    TERAPI_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 5);
    TERAPI_LOAD(args[0]);
    TERAPI_IF_EQUAL(PR_SET_NAME);
    TERAPI_ANSWER(SECCOMP_RET_ALLOW);
    TERAPI_IF_EQUAL(0x53564d41 /* PR_SET_VMA */);
    TERAPI_ANSWER(SECCOMP_RET_ALLOW);
    TERAPI_ANSWER(refused);
#undef TERAPI_STATEMENT
#undef TERAPI_JUMP
#undef TERAPI_LOAD
#undef TERAPI_IF_EQUAL
#undef TERAPI_ANSWER
    struct sock_fprog filter = {.len = length, .filter = program};
    long answer = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
    return answer == 0 ? 0 : answer < 0 ? errno : EBUSY;
#else
    return ENOSYS;
#endif
}

// A descriptor of memory that two processes can share: one page of zeros. -1 where there is none.
static inline int terapi_make_shared_page(void) {
#ifdef __linux__
    int descriptor = (int)syscall(SYS_memfd_create, "terapi", 1u /* MFD_CLOEXEC */);
    if (descriptor >= 0 && ftruncate(descriptor, getpagesize()) != 0) {
        close(descriptor);
        return -1;
    }
    return descriptor;
#else
    return -1;
#endif
}

// Whether a child has ended and waits to be reaped. Swift sees this field of siginfo_t on some systems only.
static inline int terapi_has_ended(pid_t child) {
    siginfo_t facts = {0};
    return waitid(P_PID, (id_t)child, &facts, WEXITED | WNOHANG | WNOWAIT) != 0 || facts.si_pid != 0;
}
