/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What a socket is.
 *
 * Where a hook gives a pointer whose type the verifier knows (TYPED: iterators, BTF tracepoints), its members
 * are plain loads. The others have an address only (CHECKED), and each load is a bpf_probe_read_kernel().
 */
#ifndef PORTD_SOCKET_BPF_H
#define PORTD_SOCKET_BPF_H

enum { AF_INET = 2, AF_INET6 = 10 };
enum { IPPROTO_TCP = 6, IPPROTO_UDP = 17, IPPROTO_MPTCP = 262 };
enum { SOCK_DEAD = 1 << 0, SOCK_DONE = 1 << 1 }; /* enum sock_flags, include/net/sock.h */
enum { SOCK_BINDPORT_LOCK = 8 };                 /* include/net/sock.h */
enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_TIME_WAIT = 6, TCP_CLOSE = 7,
       TCP_NEW_SYN_RECV = 12 }; /* include/net/tcp_states.h */
enum { IANA_DYNAMIC_LOW = 49152 };                    /* RFC 6335 */

/* The verifier does not let programs add to pointers of some types; to numbers they may. What is read
   through a number is checked when it is read. */
static __always_inline struct sock *address_of(const void *typed) {
    const void *slot = typed;
    struct sock *address = NULL;

    bpf_probe_read_kernel(&address, sizeof(address), &slot);
    return address;
}

enum access { TYPED, CHECKED };

#define PORTD_MEMBER(how, pointer, member)                                                         \
    ((how) == TYPED ? (pointer)->member : BPF_CORE_READ(pointer, member))
#define PORTD_BITFIELD(how, pointer, member)                                                       \
    ((how) == TYPED ? BPF_CORE_READ_BITFIELD(pointer, member)                                      \
                    : BPF_CORE_READ_BITFIELD_PROBED(pointer, member))

const volatile __u8 ports_kind = PORTD_PORTS_ALL;
const volatile __u64 ports_listed[65536 / 64] = {};
const volatile __u16 own_range_low = 0; /* of portd's network namespace, both included */
const volatile __u16 own_range_high = 0;

/* The namespace's net.ipv4.ip_local_port_range: low in the lower half, high in the upper. */
static __always_inline __u32 local_range(struct net *net, enum access how) {
    struct net___v68 *newer = (void *)net;
    struct net___v61 *older = (void *)net;
    __u32 low, high;

    if (bpf_core_field_exists(newer->ipv4.ip_local_ports.range))
        return PORTD_MEMBER(how, newer, ipv4.ip_local_ports.range);
    low = PORTD_MEMBER(how, older, ipv4.ip_local_ports.range[0]);
    high = PORTD_MEMBER(how, older, ipv4.ip_local_ports.range[1]);
    return high << 16 | (low & 0xffff);
}

static __always_inline bool in_local_range(struct net *net, __u16 port, enum access how) {
    __u32 range = local_range(net, how);

    return port >= (range & 0xffff) && port <= range >> 16;
}

static __always_inline bool is_recorded(struct sock *sk, __u16 port, enum access how) {
    if (port == 0)
        return false;
    if (ports_kind == PORTD_PORTS_ALL)
        return true;
    if (ports_kind == PORTD_PORTS_LIST)
        return ports_listed[port >> 6] >> (port & 63) & 1;
    return port >= IANA_DYNAMIC_LOW || (port >= own_range_low && port <= own_range_high) ||
           in_local_range(PORTD_MEMBER(how, sk, __sk_common.skc_net.net), port, how);
}

/* At CLOSE the number is 0 already and inet_sport is still there; while a port is being taken, only the
   number is. */
static __always_inline __u16 local_port_of(struct sock *sk) {
    __u16 number = BPF_CORE_READ(sk, __sk_common.skc_num);
    struct inet_sock *inet = (void *)sk;

    return number ? number : bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
}

/* IPPROTO_TCP or IPPROTO_UDP over IPv4 or IPv6; 0 for every other socket. */
static __always_inline __u8 protocol_of(struct sock *sk, enum access how) {
    __u16 family = PORTD_MEMBER(how, sk, __sk_common.skc_family);
    __u16 protocol = PORTD_MEMBER(how, sk, sk_protocol);

    if (family != AF_INET && family != AF_INET6)
        return 0;
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ? protocol : 0;
}

/* The cookie that a socket was told by, or a row; 0 if nothing was told of it. */
static __always_inline __u64 told_cookie(struct sock *sk) {
    return BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

/* A process uses the ports of MPTCP through a socket that has none: they are those of TCP sockets below it,
   the subflows, of which it binds, listens or connects with the first. That one, or the socket itself where
   it is none of MPTCP. NULL if there is none (any more), which its own end tells of. */
static __always_inline struct sock *port_bearer(struct sock *sk) {
    struct mptcp_sock *mptcp = (void *)sk;

    if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_MPTCP)
        return sk;
    return bpf_core_field_exists(mptcp->first) ? BPF_CORE_READ(mptcp, first) : NULL;
}

static __always_inline struct tcp_sock *tcp_of(struct sock *sk, enum access how) {
    return how == TYPED ? bpf_skc_to_tcp_sock(sk) : (void *)sk;
}

/* The subflows of MPTCP are the kernel's in form only: a process uses them through another socket. */
static __always_inline bool is_subflow(struct tcp_sock *tcp, enum access how) {
    return bpf_core_field_exists(tcp->is_mptcp) && PORTD_MEMBER(how, tcp, is_mptcp);
}

/* Whether connect(2) chose the port of the socket, which has a peer. So the kernel keeps apart which ports
   it may give to connections to elsewhere as well: both are -1 where __inet_hash_connect() of
   net/ipv4/inet_hashtables.c made the bucket, and inet_csk_update_fastreuse() of inet_connection_sock.c, which
   runs for bind(2) and listen(2), leaves neither so. What was bound to the port later, at another address, is
   the same to it: a bucket that is not so proves a bind(2) of this socket only while it connects. */
static __always_inline bool did_connect_choose_port(struct tcp_sock *tcp, enum access how) {
    struct inet_bind_bucket *bucket = PORTD_MEMBER(how, tcp, inet_conn.icsk_bind_hash);

    return bucket && PORTD_MEMBER(how, bucket, fastreuse) < 0 &&
           PORTD_MEMBER(how, bucket, fastreuseport) < 0;
}

static __always_inline void read_address(__u8 (*address)[16], const struct in6_addr *in_kernel,
                                         enum access how) {
    if (how == TYPED) {
        const __u64 *words = (const void *)in_kernel;
        __builtin_memcpy(*address, &words[0], 8);
        __builtin_memcpy(*address + 8, &words[1], 8);
    } else {
        bpf_probe_read_kernel(*address, 16, in_kernel);
    }
}

/* What every entry of the kernel's tables has, TIME_WAIT ones and requests included; into an event or a
   row. */
#define PORTD_READ_COMMON(how, record, sk)                                                         \
    ({                                                                                             \
        struct net *net_ = PORTD_MEMBER(how, sk, __sk_common.skc_net.net);                         \
                                                                                                   \
        (record)->network_namespace = PORTD_MEMBER(how, net_, ns.inum);                            \
        (record)->family = PORTD_MEMBER(how, sk, __sk_common.skc_family);                          \
        (record)->state = PORTD_MEMBER(how, sk, __sk_common.skc_state);                            \
        (record)->peer_port = bpf_ntohs(PORTD_MEMBER(how, sk, __sk_common.skc_dport));             \
        if ((record)->family == AF_INET6) {                                                        \
            read_address(&(record)->local_address, &(sk)->__sk_common.skc_v6_rcv_saddr, how);      \
            read_address(&(record)->peer_address, &(sk)->__sk_common.skc_v6_daddr, how);           \
        } else {                                                                                   \
            __builtin_memset((record)->local_address, 0, 16);                                      \
            __builtin_memset((record)->peer_address, 0, 16);                                       \
            *(__u32 *)(record)->local_address = PORTD_MEMBER(how, sk, __sk_common.skc_rcv_saddr);  \
            *(__u32 *)(record)->peer_address = PORTD_MEMBER(how, sk, __sk_common.skc_daddr);       \
        }                                                                                          \
    })

static __always_inline void read_traffic(struct portd_socket_event *event, struct tcp_sock *tcp,
                                         enum access how) {
    if (event->peer_port == 0)
        return;
    event->bytes_sent = PORTD_MEMBER(how, tcp, bytes_sent) - PORTD_MEMBER(how, tcp, bytes_retrans);
    event->bytes_received = PORTD_MEMBER(how, tcp, bytes_received);
}

/* enum portd_socket_flag */
static __always_inline __u8 flags_of(struct sock *sk, __u8 protocol, enum access how) {
    unsigned long sock_flags = PORTD_MEMBER(how, sk, __sk_common.skc_flags);
    __u8 flags = 0;

    if (PORTD_BITFIELD(how, sk, sk_userlocks) & SOCK_BINDPORT_LOCK)
        flags |= PORTD_PORT_LOCKED;
    if (sock_flags & SOCK_DONE)
        flags |= PORTD_PEER_CLOSED;
    if (sock_flags & SOCK_DEAD)
        flags |= PORTD_ORPHAN;
    /* Until a connection is accepted, it has this from its listener, which may be a subflow. */
    if (PORTD_BITFIELD(how, sk, sk_kern_sock) && PORTD_MEMBER(how, sk, sk_socket)) {
        struct tcp_sock *tcp = protocol == IPPROTO_TCP ? tcp_of(sk, how) : NULL;
        if (protocol != IPPROTO_TCP || (tcp && !is_subflow(tcp, how)))
            flags |= PORTD_KERNEL_SOCKET;
    }
    return flags;
}

static __always_inline void read_socket(struct portd_socket_event *event, struct sock *sk,
                                        __u8 protocol, __u16 local_port, enum access how) {
    PORTD_READ_COMMON(how, event, sk);
    event->header.flags = flags_of(sk, protocol, how);
    event->local_port = local_port;
    event->protocol = protocol;
    event->uid = PORTD_MEMBER(how, sk, sk_uid.val);
    event->old_state = 0;
    event->error = PORTD_MEMBER(how, sk, sk_err);
    event->requested_port = 0;
    event->caller_only_looked = 0;
    event->connect_chose_port = false;
    event->bytes_sent = 0;
    event->bytes_received = 0;
    if (protocol == IPPROTO_TCP) {
        struct tcp_sock *tcp = tcp_of(sk, how);
        if (tcp)
            read_traffic(event, tcp, how);
        if (tcp && event->header.kind == PORTD_CONNECTING)
            event->connect_chose_port = did_connect_choose_port(tcp, how);
    }
}

static __always_inline void read_row(struct portd_row *row, struct sock *sk, __u8 protocol,
                                     __u16 local_port, enum access how) {
    PORTD_READ_COMMON(how, row, sk);
    row->header.flags = flags_of(sk, protocol, how);
    row->local_port = local_port;
    row->protocol = protocol;
    row->uid = PORTD_MEMBER(how, sk, sk_uid.val);
    if (protocol == IPPROTO_TCP && row->peer_port != 0) {
        struct tcp_sock *tcp = tcp_of(sk, how);
        row->connect_chose_port = tcp && did_connect_choose_port(tcp, how);
    }
}

#endif
