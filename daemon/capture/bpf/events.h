/* What the BPF program tells portd: the records of the ring buffer and of the iterators.
 *
 * Included by the BPF program (C) and by what decodes and loads it (C++), and by nothing else. Native
 * byte order except for addresses (network order). Every record begins with a portd_header, is `length`
 * bytes long and aligned to 8.
 * SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef PORTD_EVENTS_H
#define PORTD_EVENTS_H

#include <linux/types.h>

#ifdef __cplusplus
#define PORTD_ASSERT(condition) static_assert(condition)
#else
#define PORTD_ASSERT(condition) _Static_assert(condition, #condition)
#endif

enum portd_kind {
    /* A process image, told once, before the first event that names it. portd_process_event */
    PORTD_PROCESS = 1,
    /* An image that was told has ended. portd_process_ended_event */
    PORTD_PROCESS_ENDED = 2,
    /* A process whose image was told has forked another. portd_fork_event */
    PORTD_FORK = 14,

    /* A network namespace is being taken down: no process is in it any more, and none has a socket of it.
       Its TIME_WAIT entries go now, its inode number a little later. portd_namespace_ended */
    PORTD_NAMESPACE_ENDED = 16,

    /* From an iterator: a socket that is there. portd_row */
    PORTD_ROW = 13,
    /* From an iterator: the settings of a network namespace that say which ports the kernel chooses by
       itself. Comes before the first row of the namespace. portd_namespace */
    PORTD_NAMESPACE = 15,

    /* The rest are portd_socket_event. */
    PORTD_BOUND = 3,         /* bind(2) succeeded; `requested_port` */
    PORTD_BIND_FAILED = 4,   /* a bind(2) to a port did not succeed; `at_ns` and the local endpoint are
                                the attempt's. Told with the next thing that the socket does, or by a
                                look at the attempts */
    PORTD_LISTENING = 5,     /* listen(2) succeeded */
    PORTD_CONNECTING = 6,    /* TCP: a connection begins, its port is chosen */
    PORTD_CONNECTED = 7,     /* TCP: ESTABLISHED; `old_state` tells which side */
    PORTD_SENT = 8,          /* UDP: first datagram from this port of an unconnected socket */
    PORTD_UDP_CONNECTING = 9, /* UDP: connect(2) begins; the port may be chosen only after (0) */
    PORTD_NAMED_PEER = 10,   /* TCP: the process asked for the peer's name, as accept(2) does */
    PORTD_RELEASED = 11,     /* the last descriptor was closed */
    PORTD_CLOSED = 12,       /* TCP: state CLOSE */
};

enum portd_socket_flag {
    PORTD_HAS_IMAGE = 1,      /* `image` did it; of a row: the image told last before it holds it */
    PORTD_KERNEL_SOCKET = 2,  /* sk_kern_sock: made by the kernel for itself */
    PORTD_PORT_LOCKED = 4,    /* SOCK_BINDPORT_LOCK: the program chose the port and keeps it */
    PORTD_PEER_CLOSED = 8,    /* SOCK_DONE: the peer's FIN was received */
    PORTD_IN_ACCEPT = 16,     /* the system call under way is accept(2) or accept4(2) */
    PORTD_IN_EXEC = 32,       /* the system call under way is an execve(2) that has succeeded */
    PORTD_ORPHAN = 64,        /* SOCK_DEAD, or nobody has accepted it yet */
    PORTD_REQUEST_UNKNOWN = 128, /* PORTD_BOUND: `requested_port` is not known */
};

enum portd_process_flag {
    PORTD_FORKED = 1,            /* has not executed a program since it was forked (PF_FORKNOEXEC) */
    PORTD_NO_MEMORY = 2,         /* its memory is gone: no path, no arguments */
    PORTD_PATH_CUT = 4,          /* the path did not fit: it is left out */
    PORTD_CONTROL_GROUP_CUT = 8, /* the same of the control group */
    PORTD_ARGUMENTS_CUT = 16,    /* only the beginning of the arguments is there */
    PORTD_AMID_EXEC = 32,        /* of two programs: only `image` is sure */
};

#define PORTD_COMMAND_BYTES 16 /* TASK_COMM_LEN */
#define PORTD_ANCESTORS 4
/* Two sizes, so that the many processes with short strings do not fill the ring. Half for the names,
   half for the arguments. */
#define PORTD_SMALL_STRINGS 1024
#define PORTD_LARGE_STRINGS 8192

/* One image of one process: pid is the thread group's, as the initial pid namespace has it. */
struct portd_image {
    __u64 started_at_ns; /* CLOCK_BOOTTIME */
    __u32 pid;
    __u32 exec_id; /* grows with every execve(2) */
};

struct portd_header {
    __u64 at_ns; /* CLOCK_BOOTTIME */
    __u16 length;
    __u8 kind;
    __u8 flags;
    __u32 reserved;
};

struct portd_socket_event {
    struct portd_header header;
    struct portd_image image;
    __u64 cookie;
    __u32 network_namespace;
    __u32 uid; /* owner of the socket */
    __u8 local_address[16];
    __u8 peer_address[16];
    __u16 local_port;
    __u16 peer_port;
    __u8 family;   /* AF_INET, AF_INET6 */
    __u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP */
    __u8 state;
    __u8 old_state; /* PORTD_CONNECTED, PORTD_CLOSED */
    __s32 error;    /* sk_err */
    __u16 requested_port;
    __u8 caller_only_looked; /* PORTD_RELEASED: `image` had the last reference for a moment only, to look
                                at the descriptor of another process */
    __u8 connect_chose_port; /* PORTD_CONNECTING: it had none before. Otherwise a bind(2) took it */
    __u64 bytes_sent;
    __u64 bytes_received;
};

/* Of many sockets at once: no more than a look needs. */
struct portd_row {
    struct portd_header header;
    __u64 cookie;
    __u8 local_address[16];
    __u8 peer_address[16];
    __u32 network_namespace;
    __u32 uid;
    __u16 local_port;
    __u16 peer_port;
    __u8 family;
    __u8 protocol;
    __u8 state;
    __u8 connect_chose_port; /* TCP: connect(2) did, for sure */
};

enum { PORTD_NO_SUCH_SETTING = 255 };

/* ip_local_port_range, ip_unprivileged_port_start, ip_local_reserved_ports, ip(7), and tcp_tw_reuse of
   net.ipv4. */
struct portd_namespace {
    struct portd_header header;
    __u32 network_namespace;
    __u16 range_low; /* both included */
    __u16 range_high;
    __u16 unprivileged_start;
    __u8 time_wait_reuse; /* PORTD_NO_SUCH_SETTING: the kernel has no such field */
    __u8 unused[5];
    __u64 reserved_ports[65536 / 64]; /* one bit a port */
};

struct portd_ancestor {
    __u32 pid;
    char command[PORTD_COMMAND_BYTES];
};

struct portd_process_event {
    struct portd_header header;
    struct portd_image image;
    __u32 uid; /* effective */
    __u32 gid;
    __u32 login_uid; /* 4294967295: none */
    __u16 path_bytes;
    __u16 control_group_bytes;
    __u16 arguments_bytes;
    __u16 ancestor_count;
    __u32 reserved;
    char command[PORTD_COMMAND_BYTES];
    struct portd_ancestor ancestors[PORTD_ANCESTORS]; /* parent first */
    /* Strings follow. Names from the leaf to the root, each with its NUL: first those of the path,
       then those of the control group. Then the arguments, separated by NUL. */
};

struct portd_process_ended_event {
    struct portd_header header;
    struct portd_image image;
};

struct portd_fork_event {
    struct portd_header header;
    struct portd_image child;
    struct portd_image parent;
};

struct portd_namespace_ended {
    struct portd_header header;
    __u32 network_namespace;
    __u32 reserved;
};

/* Which ports are told of, as the setting `ports`. */
enum portd_ports {
    PORTD_PORTS_ALL = 0,
    PORTD_PORTS_DYNAMIC = 1, /* in the range of the socket's namespace or portd's, or in 49152-65535 */
    PORTD_PORTS_LIST = 2,    /* one bit a port */
};

/* Events by their fate: issued = submitted + the two others, when no hook is running. */
struct portd_counters {
    __u64 issued;
    __u64 ring_full;
    __u64 no_memory; /* for what is remembered of a socket */
};

/* bind(2) to ports that are told of. One that has begun and is not settled is under way, or was refused, or
   its socket is gone. */
struct portd_binds {
    __u64 begun;
    __u64 settled; /* succeeded, or told as failed */
};

PORTD_ASSERT(sizeof(struct portd_header) == 16);
PORTD_ASSERT(sizeof(struct portd_image) == 16);
PORTD_ASSERT(sizeof(struct portd_socket_event) == 112);
PORTD_ASSERT(__builtin_offsetof(struct portd_socket_event, local_address) == 48);
PORTD_ASSERT(__builtin_offsetof(struct portd_socket_event, local_port) == 80);
PORTD_ASSERT(__builtin_offsetof(struct portd_socket_event, error) == 88);
PORTD_ASSERT(__builtin_offsetof(struct portd_socket_event, bytes_sent) == 96);
PORTD_ASSERT(sizeof(struct portd_row) == 72);
PORTD_ASSERT(__builtin_offsetof(struct portd_row, cookie) == 16);
PORTD_ASSERT(__builtin_offsetof(struct portd_row, network_namespace) == 56);
PORTD_ASSERT(__builtin_offsetof(struct portd_row, local_port) == 64);
PORTD_ASSERT(__builtin_offsetof(struct portd_row, family) == 68);
PORTD_ASSERT(sizeof(struct portd_namespace) == 32 + 65536 / 8);
PORTD_ASSERT(__builtin_offsetof(struct portd_namespace, reserved_ports) == 32);
PORTD_ASSERT(sizeof(struct portd_ancestor) == 20);
PORTD_ASSERT(__builtin_offsetof(struct portd_process_event, command) == 56);
PORTD_ASSERT(sizeof(struct portd_process_event) == 152);
PORTD_ASSERT(sizeof(struct portd_process_ended_event) == 32);
PORTD_ASSERT(sizeof(struct portd_fork_event) == 48);
PORTD_ASSERT(sizeof(struct portd_namespace_ended) == 24);

#endif
