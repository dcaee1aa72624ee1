/* What a socket is. All reads are by bpf_probe_read_kernel(): the same for every kind of hook. */
#ifndef PORTD_SOCKET_BPF_H
#define PORTD_SOCKET_BPF_H

enum { AF_INET = 2, AF_INET6 = 10 };
enum { IPPROTO_TCP = 6, IPPROTO_UDP = 17 };
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

const volatile __u8 ports_kind = PORTD_PORTS_ALL;
const volatile __u64 ports_listed[65536 / 64] = {};

/* Whether the namespace's net.ipv4.ip_local_port_range has the port. */
static __always_inline bool in_local_range(struct net *net, __u16 port) {
    struct net___v68 *newer = (void *)net;
    struct net___v61 *older = (void *)net;
    int range[2] = {};

    if (bpf_core_field_exists(newer->ipv4.ip_local_ports.range)) {
        __u32 both = BPF_CORE_READ(newer, ipv4.ip_local_ports.range);
        return port >= (both & 0xffff) && port <= (both >> 16);
    }
    bpf_core_read(range, sizeof(range), &older->ipv4.ip_local_ports.range);
    return port >= range[0] && port <= range[1];
}

static __always_inline bool is_recorded(struct sock *sk, __u16 port) {
    if (port == 0)
        return false;
    if (ports_kind == PORTD_PORTS_ALL)
        return true;
    if (ports_kind == PORTD_PORTS_LIST)
        return ports_listed[port >> 6] >> (port & 63) & 1;
    return port >= IANA_DYNAMIC_LOW ||
           in_local_range(BPF_CORE_READ(sk, __sk_common.skc_net.net), port);
}

/* At CLOSE the number is 0 already and inet_sport is still there; while a port is being taken, only the
   number is. */
static __always_inline __u16 local_port_of(struct sock *sk) {
    __u16 number = BPF_CORE_READ(sk, __sk_common.skc_num);
    struct inet_sock *inet = (void *)sk;

    return number ? number : bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
}

/* IPPROTO_TCP or IPPROTO_UDP over IPv4 or IPv6; 0 for every other socket. */
static __always_inline __u8 protocol_of(struct sock *sk) {
    __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
    __u16 protocol = BPF_CORE_READ(sk, sk_protocol);

    if (family != AF_INET && family != AF_INET6)
        return 0;
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ? protocol : 0;
}

/* The subflows of MPTCP are the kernel's in form only: a process uses them through another socket. */
static __always_inline bool is_kernel_socket(struct sock *sk, __u8 protocol) {
    struct tcp_sock *tcp = (void *)sk;

    if (!BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock))
        return false;
    return protocol != IPPROTO_TCP || !bpf_core_field_exists(tcp->is_mptcp) ||
           !BPF_CORE_READ(tcp, is_mptcp);
}

/* What every entry of the kernel's tables has, TIME_WAIT ones and requests included. */
static __always_inline void read_common(struct portd_socket_event *event, struct sock *sk) {
    event->network_namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
    event->family = BPF_CORE_READ(sk, __sk_common.skc_family);
    event->state = BPF_CORE_READ(sk, __sk_common.skc_state);
    event->peer_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
    __builtin_memset(event->local_address, 0, 16);
    __builtin_memset(event->peer_address, 0, 16);
    if (event->family == AF_INET6) {
        bpf_probe_read_kernel(event->local_address, 16, &sk->__sk_common.skc_v6_rcv_saddr);
        bpf_probe_read_kernel(event->peer_address, 16, &sk->__sk_common.skc_v6_daddr);
    } else {
        bpf_probe_read_kernel(event->local_address, 4, &sk->__sk_common.skc_rcv_saddr);
        bpf_probe_read_kernel(event->peer_address, 4, &sk->__sk_common.skc_daddr);
    }
    event->uid = 0;
    event->protocol = IPPROTO_TCP;
    event->old_state = 0;
    event->error = 0;
    event->requested_port = 0;
    event->caller_only_looked = 0;
    event->bytes_sent = 0;
    event->bytes_received = 0;
}

static __always_inline void read_socket(struct portd_socket_event *event, struct sock *sk) {
    unsigned long flags = BPF_CORE_READ(sk, __sk_common.skc_flags);

    read_common(event, sk);
    event->local_port = local_port_of(sk);
    event->protocol = protocol_of(sk);
    event->uid = BPF_CORE_READ(sk, sk_uid.val);
    event->error = BPF_CORE_READ(sk, sk_err);
    if (is_kernel_socket(sk, event->protocol))
        event->header.flags |= PORTD_KERNEL_SOCKET;
    if (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & SOCK_BINDPORT_LOCK)
        event->header.flags |= PORTD_PORT_LOCKED;
    if (flags & SOCK_DONE)
        event->header.flags |= PORTD_PEER_CLOSED;
    if (flags & SOCK_DEAD)
        event->header.flags |= PORTD_ORPHAN;
    if (event->protocol == IPPROTO_TCP && event->peer_port != 0) {
        struct tcp_sock *tcp = (void *)sk;
        event->bytes_sent = BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans);
        event->bytes_received = BPF_CORE_READ(tcp, bytes_received);
    }
}

#endif
