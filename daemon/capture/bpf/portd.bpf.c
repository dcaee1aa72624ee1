/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The kernel side of the eBPF tier.
 *
 * Hooks of the socket layer, so that nothing that opens a socket goes around them (io_uring included),
 * and only such as load with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN on every kernel since 6.1: control
 * group hooks at the root, one sockops program, and BTF tracepoints. Identity is taken only where the
 * hook runs on behalf of the caller; state changes of TCP run on behalf of anybody. A socket is named by
 * its cookie, which is asked for and so given.
 *
 *   bind4|6, post_bind4|6      a port is asked for by the program, and taken
 *   sockops                    a TCP port is chosen by connect(2), or opened by listen(2)
 *   connect4|6, sendmsg4|6     a UDP socket gets a peer, or sends from a port
 *   getpeername4|6             accept(2) with an address: who accepted
 *   sock_release               the last descriptor is closed
 *   inet_sock_set_state        a TCP connection is established, or over
 *   sched_process_fork|exec|exit   an image is copied, replaced, or ends
 *   tcp_sk_exit                a network namespace ends; left out where the kernel does not let functions
 *                              be traced
 *   iter/task_file|tcp|udp     what is there already; which bind(2) were refused, and nothing followed
 *   socket                     which destroy events the witness need not hear
 */
// clang-format off
#include "kernel_types.h"
#include <linux/bpf.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>
#include "events.h"
#include "ring.bpf.h"
#include "process.bpf.h"
#include "socket.bpf.h"
#include "iterators.bpf.h"
#include "witness.bpf.h"
// clang-format on

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Of the TIME_WAIT entries that are purged with their namespace nothing else tells (tcp_sk_exit_batch() of
   net/ipv4/tcp_ipv4.c comes next). First in this file: where it is refused, nothing else was loaded yet. */
SEC("fentry/tcp_sk_exit")
int BPF_PROG(portd_namespace_ends, struct net *net) {
    struct portd_namespace_ended *event = PORTD_RESERVE(sizeof(*event));

    if (!event)
        return 0;
    begin_event(&event->header, PORTD_NAMESPACE_ENDED, sizeof(*event));
    event->network_namespace = net->ns.inum;
    event->reserved = 0;
    bpf_ringbuf_submit(event, wakeup());
    return 0;
}

/* What is remembered of a socket between two hooks. */
struct socket_note {
    struct portd_image bind_image;
    __u64 bind_at_ns; /* that has not succeeded yet and was not told as failed; 0: none */
    __u8 bind_address[16];
    __u16 bind_port;
    __u16 sent_from_port; /* PORTD_SENT or PORTD_BOUND was told for it */
    __u8 has_been_named;  /* PORTD_NAMED_PEER was told */
    __u8 has_connected;   /* PORTD_UDP_CONNECTING was told since */
    __u8 reserved[2];
};

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct socket_note);
} notes SEC(".maps");

/* A record of the socket as it is now, whose image is left to the caller. NULL if there is no room. */
static __always_inline struct portd_socket_event *
reserve_event(__u8 kind, struct sock *sk, __u64 cookie, __u8 protocol, __u16 local_port,
              enum access how) {
    struct portd_socket_event *event = PORTD_RESERVE(sizeof(*event));

    if (!event)
        return NULL;
    begin_event(&event->header, kind, sizeof(*event));
    event->cookie = cookie;
    read_socket(event, sk, protocol, local_port, how);
    return event;
}

/* The same of what the current task does with the socket. */
static __always_inline struct portd_socket_event *
reserve_act(__u8 kind, struct sock *sk, __u64 cookie, __u8 protocol, __u16 local_port) {
    struct portd_image image = {};
    bool has_image = meet_current_image(&image);
    struct portd_socket_event *event =
        reserve_event(kind, sk, cookie, protocol, local_port, CHECKED);

    if (!event)
        return NULL;
    event->image = image;
    if (has_image)
        event->header.flags |= PORTD_HAS_IMAGE;
    return event;
}

static __always_inline void tell(__u8 kind, __u8 flags, struct sock *sk, __u64 cookie,
                                 __u8 protocol, __u16 local_port, __u16 requested_port) {
    struct portd_socket_event *event = reserve_act(kind, sk, cookie, protocol, local_port);

    if (!event)
        return;
    event->header.flags |= flags;
    event->requested_port = requested_port;
    bpf_ringbuf_submit(event, wakeup());
}

struct portd_binds binds;

/* Whoever gets at the attempt first tells it: what the socket does next, or the look. The copy is whole, for
   the next attempt is not noted before this one is taken. */
static __always_inline void tell_failed_bind(struct sock *sk, __u64 cookie,
                                             struct socket_note *note) {
    struct portd_socket_event *event;
    struct socket_note attempt = *note;

    if (attempt.bind_at_ns == 0 ||
        __sync_val_compare_and_swap(&note->bind_at_ns, attempt.bind_at_ns, 0) != attempt.bind_at_ns)
        return;
    __sync_fetch_and_add(&binds.settled, 1);
    event = reserve_event(PORTD_BIND_FAILED, sk, cookie, protocol_of(sk, CHECKED),
                          attempt.bind_port, CHECKED);
    if (!event)
        return;
    event->image = attempt.bind_image;
    if (attempt.bind_image.pid)
        event->header.flags |= PORTD_HAS_IMAGE;
    event->header.at_ns = attempt.bind_at_ns;
    event->requested_port = attempt.bind_port;
    __builtin_memcpy(event->local_address, attempt.bind_address, 16);
    bpf_ringbuf_submit(event, wakeup());
}

/* bind(2) begins: what it asks for is remembered until it is known to have succeeded. */
static __always_inline int begin_bind(struct bpf_sock_addr *ctx, struct socket_note *note,
                                      struct sock *sk, const void *address, __u32 address_bytes) {
    __u64 at_ns = bpf_ktime_get_boot_ns();

    if (note->bind_at_ns)
        tell_failed_bind(sk, bpf_get_socket_cookie(ctx), note);
    note->bind_port = bpf_ntohs(ctx->user_port);
    if (!is_recorded(sk, note->bind_port, CHECKED))
        return 1;
    __builtin_memset(note->bind_address, 0, 16);
    __builtin_memcpy(note->bind_address, address, address_bytes);
    __builtin_memset(&note->bind_image, 0, sizeof(note->bind_image));
    meet_current_image(&note->bind_image);
    __sync_fetch_and_add(&binds.begun, 1);
    note->bind_at_ns = at_ns; /* from here on the look may tell it */
    return 1;
}

#define PORTD_NOTE_OF_BIND(note, sk)                                                               \
    struct sock *sk = address_of(ctx->sk);                                                         \
    struct socket_note *note;                                                                      \
    if (!ctx->sk || !protocol_of(sk, CHECKED) ||                                                   \
        BPF_CORE_READ(sk, __sk_common.skc_num) != 0)                                               \
        return 1;                                                                                  \
    note = bpf_sk_storage_get(&notes, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);                    \
    if (!note) {                                                                                   \
        __sync_fetch_and_add(&counters.issued, 1);                                                 \
        __sync_fetch_and_add(&counters.no_memory, 1);                                              \
        return 1;                                                                                  \
    }

SEC("cgroup/bind4")
int portd_bind4(struct bpf_sock_addr *ctx) {
    __u32 address = ctx->user_ip4;

    PORTD_NOTE_OF_BIND(note, sk)
    return begin_bind(ctx, note, sk, &address, sizeof(address));
}

SEC("cgroup/bind6")
int portd_bind6(struct bpf_sock_addr *ctx) {
    __u32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};

    PORTD_NOTE_OF_BIND(note, sk)
    return begin_bind(ctx, note, sk, address, sizeof(address));
}

static __always_inline int bound(struct bpf_sock *ctx) {
    struct sock *sk = address_of(ctx);
    struct socket_note *note;
    __u16 port, requested_port = 0;
    __u8 flags = PORTD_REQUEST_UNKNOWN;
    __u8 protocol = protocol_of(sk, CHECKED);

    if (!protocol)
        return 1;
    port = BPF_CORE_READ(sk, __sk_common.skc_num);
    note = bpf_sk_storage_get(&notes, ctx, 0, 0);
    if (note) {
        if (note->bind_at_ns) {
            note->bind_at_ns = 0;
            __sync_fetch_and_add(&binds.settled, 1);
        }
        requested_port = note->bind_port;
        flags = 0;
        note->sent_from_port = port;
    }
    if (is_recorded(sk, port, CHECKED))
        tell(PORTD_BOUND, flags, sk, bpf_get_socket_cookie(ctx), protocol, port, requested_port);
    return 1;
}

SEC("cgroup/post_bind4")
int portd_bound4(struct bpf_sock *ctx) {
    return bound(ctx);
}

SEC("cgroup/post_bind6")
int portd_bound6(struct bpf_sock *ctx) {
    return bound(ctx);
}

/* The reply of the program is left as those before it made it. */
SEC("sockops")
int portd_tcp(struct bpf_sock_ops *ctx) {
    struct sock *sk;
    __u16 port;
    __u8 kind;

    switch (ctx->op) {
    case BPF_SOCK_OPS_TCP_CONNECT_CB:
        kind = PORTD_CONNECTING;
        break;
    case BPF_SOCK_OPS_TCP_LISTEN_CB:
        kind = PORTD_LISTENING;
        break;
    default:
        return 1;
    }
    sk = address_of(ctx->sk);
    port = sk ? local_port_of(sk) : 0;
    if (is_recorded(sk, port, CHECKED))
        tell(kind, 0, sk, bpf_get_socket_cookie(ctx), IPPROTO_TCP, port, 0);
    return 1;
}

/* The port of a socket that has none yet is chosen after this, and told at the latest when the socket is
   released. The peer is the one that is asked for. */
static __always_inline int udp_connecting(struct bpf_sock_addr *ctx, const void *peer,
                                          __u32 peer_bytes) {
    struct sock *sk = address_of(ctx->sk);
    struct portd_socket_event *event;
    struct socket_note *note;
    __u16 port;

    if (ctx->protocol != IPPROTO_UDP || !ctx->sk)
        return 1;
    port = BPF_CORE_READ(sk, __sk_common.skc_num);
    if (port != 0 && !is_recorded(sk, port, CHECKED))
        return 1;
    note = bpf_sk_storage_get(&notes, ctx->sk, 0, 0);
    if (note)
        note->has_connected = 1;
    event = reserve_act(PORTD_UDP_CONNECTING, sk, bpf_get_socket_cookie(ctx), IPPROTO_UDP, port);
    if (!event)
        return 1;
    event->peer_port = bpf_ntohs(ctx->user_port);
    __builtin_memset(event->peer_address, 0, 16);
    if (peer_bytes == 16 || event->family == AF_INET) {
        __builtin_memcpy(event->peer_address, peer, peer_bytes);
    } else { /* IPv4 of an IPv6 socket: as the kernel keeps it, mapped */
        __builtin_memset(event->peer_address + 10, 0xff, 2);
        __builtin_memcpy(event->peer_address + 12, peer, 4);
    }
    bpf_ringbuf_submit(event, wakeup());
    return 1;
}

SEC("cgroup/connect4")
int portd_connect4(struct bpf_sock_addr *ctx) {
    __u32 peer = ctx->user_ip4;

    return udp_connecting(ctx, &peer, sizeof(peer));
}

SEC("cgroup/connect6")
int portd_connect6(struct bpf_sock_addr *ctx) {
    __u32 peer[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};

    return udp_connecting(ctx, peer, sizeof(peer));
}

/* Runs for every datagram of an unconnected socket: each port is told once, and once more where the socket
   was connected before. */
static __always_inline int sending(struct bpf_sock_addr *ctx) {
    struct sock *sk = address_of(ctx->sk);
    struct socket_note *note;
    __u16 port;

    if (!ctx->sk || protocol_of(sk, CHECKED) != IPPROTO_UDP)
        return 1;
    port = BPF_CORE_READ(sk, __sk_common.skc_num);
    note = bpf_sk_storage_get(&notes, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (note) {
        bool is_connected = BPF_CORE_READ(sk, __sk_common.skc_dport) != 0;
        if (note->sent_from_port == port && (is_connected || !note->has_connected))
            return 1;
        note->sent_from_port = port;
        if (!is_connected)
            note->has_connected = 0;
    }
    if (is_recorded(sk, port, CHECKED))
        tell(PORTD_SENT, 0, sk, bpf_get_socket_cookie(ctx), IPPROTO_UDP, port, 0);
    return 1;
}

SEC("cgroup/sendmsg4")
int portd_sendmsg4(struct bpf_sock_addr *ctx) {
    return sending(ctx);
}

SEC("cgroup/sendmsg6")
int portd_sendmsg6(struct bpf_sock_addr *ctx) {
    return sending(ctx);
}

static __always_inline int named_peer(struct bpf_sock_addr *ctx) {
    struct sock *sk = address_of(ctx->sk);
    struct socket_note *note;
    __u16 port;

    if (!ctx->sk || protocol_of(sk, CHECKED) != IPPROTO_TCP)
        return 1;
    port = local_port_of(sk);
    if (!is_recorded(sk, port, CHECKED))
        return 1;
    note = bpf_sk_storage_get(&notes, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (note) {
        if (note->has_been_named)
            return 1;
        note->has_been_named = 1;
    }
    tell(PORTD_NAMED_PEER, system_call_flags(), sk, bpf_get_socket_cookie(ctx), IPPROTO_TCP, port,
         0);
    return 1;
}

SEC("cgroup/getpeername4")
int portd_getpeername4(struct bpf_sock_addr *ctx) {
    return named_peer(ctx);
}

SEC("cgroup/getpeername6")
int portd_getpeername6(struct bpf_sock_addr *ctx) {
    return named_peer(ctx);
}

static __always_inline void tell_release(struct sock *sk, __u64 cookie, __u8 protocol,
                                         __u16 local_port) {
    struct portd_socket_event *event;

    event = reserve_act(PORTD_RELEASED, sk, cookie, protocol, local_port);
    if (!event)
        return;
    event->header.flags |= system_call_flags();
    event->caller_only_looked = caller_only_looks();
    note_told_release(cookie, protocol == IPPROTO_UDP || event->state == TCP_CLOSE);
    bpf_ringbuf_submit(event, wakeup());
}

/* No hook runs where a UDP socket leaves its port by connecting to nobody (AF_UNSPEC): what was told of it
   ends at the latest with this, which says that it has no port. */
SEC("cgroup/sock_release")
int portd_sock_release(struct bpf_sock *ctx) {
    struct sock *released = address_of(ctx);
    struct sock *sk = port_bearer(released);
    __u8 protocol = sk ? protocol_of(sk, CHECKED) : 0;
    struct socket_note *note;
    __u16 port;

    if (!protocol)
        return 1;
    port = local_port_of(sk);
    if (sk != released) {
        __u64 cookie = told_cookie(sk);
        if (cookie && is_recorded(sk, port, CHECKED))
            tell_release(sk, cookie, protocol, port);
        return 1;
    }
    note = bpf_sk_storage_get(&notes, ctx, 0, 0);
    if (note && note->bind_at_ns)
        tell_failed_bind(sk, bpf_get_socket_cookie(ctx), note);
    if (is_recorded(sk, port, CHECKED))
        tell_release(sk, bpf_get_socket_cookie(ctx), protocol, port);
    else if (protocol == IPPROTO_UDP && told_cookie(sk))
        tell_release(sk, told_cookie(sk), protocol, 0);
    return 1;
}

/* What bind(2) does after its hook takes microseconds, unless it has to wait for the socket. */
#define PORTD_BIND_IS_OVER_NS 1000000000LL

__u64 binds_under_way; /* that the iterator has come upon, and may yet succeed */

/* A program that logs the error and keeps the socket does nothing more with it of which a hook could tell. */
SEC("iter/task_file")
int portd_attempted_binds(struct bpf_iter__task_file *ctx) {
    struct file *file = ctx->file;
    struct socket_note *note;
    struct socket *socket;
    struct sock *sk;

    if (!file)
        return 0;
    socket = bpf_sock_from_file(file);
    if (!socket)
        return 0;
    sk = socket->sk;
    if (!sk || !protocol_of(sk, TYPED))
        return 0;
    note = bpf_sk_storage_get(&notes, sk, 0, 0);
    if (!note || note->bind_at_ns == 0)
        return 0;
    if ((__s64)(bpf_ktime_get_boot_ns() - note->bind_at_ns) < PORTD_BIND_IS_OVER_NS ||
        sk->sk_lock.owned)
        ++binds_under_way;
    else
        tell_failed_bind(address_of(sk), bpf_get_socket_cookie(sk), note);
    return 0;
}

/* The kernel does not run a tracing program that is running on the processor already (__bpf_trace_run() of
   kernel/trace/bpf_trace.c), and a packet that interrupts it can change the state of another socket. Two
   programs that run one after the other cannot both be interrupted at once: the second tells what the first
   could not, and knows by this what the first has told. */
struct told_state {
    __u64 cookie;
    int old_state;
    int state;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct told_state);
} told_states SEC(".maps");

/* False the first time. An interruption between the two makes it false twice: that is told twice, no harm
   done. */
static __always_inline bool was_told(__u64 cookie, int old_state, int state) {
    __u32 key = 0;
    struct told_state *told = bpf_map_lookup_elem(&told_states, &key);

    if (!told)
        return false;
    if (told->cookie == cookie && told->old_state == old_state && told->state == state) {
        told->cookie = 0;
        return true;
    }
    told->cookie = cookie;
    told->old_state = old_state;
    told->state = state;
    return false;
}

static __always_inline int tell_state(struct sock *sk, int old_state, int state) {
    struct portd_socket_event *event;
    struct tcp_sock *tcp;
    __u64 cookie;
    __u16 port;

    if (state != TCP_CLOSE && state != TCP_ESTABLISHED)
        return 0;
    tcp = bpf_skc_to_tcp_sock(sk);
    if (!tcp || !protocol_of(sk, TYPED))
        return 0;
    port = sk->__sk_common.skc_num;
    if (port == 0)
        port = bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport);
    if (!is_recorded(sk, port, TYPED))
        return 0;
    if (state == TCP_CLOSE && old_state == TCP_SYN_RECV && !sk->sk_socket)
        return 0; /* a request that did not become a connection */
    cookie = bpf_get_socket_cookie(sk);
    if (was_told(cookie, old_state, state))
        return 0;
    event = reserve_event(state == TCP_CLOSE ? PORTD_CLOSED : PORTD_CONNECTED, sk, cookie,
                          IPPROTO_TCP, port, TYPED);
    if (!event)
        return 0;
    __builtin_memset(&event->image, 0, sizeof(event->image));
    event->state = state;
    event->old_state = old_state;
    if (state == TCP_CLOSE)
        note_told_close(cookie);
    bpf_ringbuf_submit(event, wakeup());
    return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(portd_set_state, struct sock *sk, int old_state, int state) {
    return tell_state(sk, old_state, state);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(portd_set_state_if_missed, struct sock *sk, int old_state, int state) {
    return tell_state(sk, old_state, state);
}

/* The children of a process that uses sockets may inherit them, and be gone before they are looked at:
   their images are told as well. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(portd_exec, struct task_struct *task) {
    struct portd_image image = {};
    __u32 pid = task->tgid;
    __u32 parent = BPF_CORE_READ(task, real_parent, tgid);

    if (!bpf_map_lookup_elem(&told_images, &pid) && !bpf_map_lookup_elem(&told_images, &parent))
        return 0;
    meet_current_image(&image);
    return 0;
}

/* A child that executes nothing may end with the sockets it inherited, when nothing tells any more what it
   ran, and its parent may be gone before. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(portd_fork, struct task_struct *parent, struct task_struct *child) {
    struct portd_fork_event *event;
    __u32 pid = parent->tgid;

    if ((__u32)child->tgid == pid || !bpf_map_lookup_elem(&told_images, &pid))
        return 0;
    event = PORTD_RESERVE(sizeof(*event));
    if (!event)
        return 0;
    begin_event(&event->header, PORTD_FORK, sizeof(*event));
    read_image(child, &event->child);
    read_image(parent, &event->parent);
    bpf_ringbuf_submit(event, wakeup());
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(portd_exit, struct task_struct *task) {
    struct portd_process_ended_event *event;
    struct portd_image image = {};
    __u32 pid = task->tgid;

    if (BPF_CORE_READ(task, signal, live.counter) != 0)
        return 0; /* other threads go on */
    if (!bpf_map_lookup_elem(&told_images, &pid))
        return 0;
    read_image(task, &image);
    event = PORTD_RESERVE(sizeof(*event));
    if (!event)
        return 0;
    begin_event(&event->header, PORTD_PROCESS_ENDED, sizeof(*event));
    event->image = image;
    bpf_ringbuf_submit(event, wakeup());
    return 0;
}
