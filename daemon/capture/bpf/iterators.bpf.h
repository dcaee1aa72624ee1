/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What is there already: every socket of the reader's network namespace by the tables, and of all
 * namespaces by the descriptors of processes. One reader at a time, who says what the tables are to show.
 */
#ifndef PORTD_ITERATORS_BPF_H
#define PORTD_ITERATORS_BPF_H

struct process_room {
    struct portd_process_event event;
    char strings[PORTD_LARGE_STRINGS];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct process_room);
} process_room SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct portd_namespace);
} namespace_room SEC(".maps");

/* The network namespaces that were told, by their inodes, and in which reading. One that has no place is
   told again with its next row. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u32);
    __type(value, __u64);
} namespaces_told SEC(".maps");

__u64 reading;                  /* of what processes hold; counted */
struct portd_image last_holder; /* that the iterator has told */

/* The tables leave out what descriptors show as well. */
__u32 tables_leave_out_files;

/* Whether descriptors of processes refer to the socket; they may all be under way, in a message or in a
   ring of io_uring. Where the kernel made the socket, it has none, or the subflow of an MPTCP connection has
   that of another socket; others are not worth another look into memory. */
static __always_inline bool has_file(struct sock *sk) {
    struct socket *socket = sk->sk_socket;

    if (!socket)
        return false;
    return !BPF_CORE_READ_BITFIELD(sk, sk_kern_sock) || (socket->file && socket->sk == sk);
}

static __always_inline void begin_row(struct portd_row *row, __u64 cookie) {
    __builtin_memset(row, 0, sizeof(*row));
    begin_event(&row->header, PORTD_ROW, sizeof(*row));
    row->cookie = cookie;
}

/* The arguments are in memory that is not at hand here; /proc shows them to everybody. The task goes on
   meanwhile: facts are of one image only if its memory was in place all the time. */
static __always_inline void tell_holder(struct seq_file *out, struct task_struct *task,
                                        const struct portd_image *image) {
    struct mm_struct *memory = BPF_CORE_READ(task, mm);
    __u32 key = 0, length;
    struct process_room *room = bpf_map_lookup_elem(&process_room, &key);

    if (!room)
        return;
    begin_event(&room->event.header, PORTD_PROCESS, 0);
    read_facts(&room->event, task, image);
    read_names(&room->event, room->strings, PORTD_LARGE_STRINGS / 2, task, memory);
    if (!memory)
        room->event.header.flags |= PORTD_NO_MEMORY;
    else if (is_amid_exec(memory) || BPF_CORE_READ(task, mm) != memory ||
             BPF_CORE_READ(task, self_exec_id) != image->exec_id)
        room->event.header.flags |= PORTD_AMID_EXEC;
    length = (sizeof(room->event) + room->event.path_bytes + room->event.control_group_bytes + 7) & ~7U;
    if (length > sizeof(*room))
        return;
    room->event.header.length = length;
    bpf_seq_write(out, room, length);
}

static __always_inline bool is_told_in_this_reading(__u32 network_namespace) {
    __u64 *told_in = bpf_map_lookup_elem(&namespaces_told, &network_namespace);

    return told_in && *told_in == reading;
}

/* False if the settings cannot be told now: one is being changed (before 6.8 the range is two numbers), or
   cannot be read. */
static __always_inline bool tell_namespace(struct seq_file *out, struct net *net, __u32 inode) {
    __u32 key = 0, range = local_range(net, CHECKED);
    struct portd_namespace *room = bpf_map_lookup_elem(&namespace_room, &key);

    if (!room || (range & 0xffff) > range >> 16 ||
        !bpf_core_field_exists(net->ipv4.sysctl_local_reserved_ports))
        return false;
    begin_event(&room->header, PORTD_NAMESPACE, sizeof(*room));
    room->network_namespace = inode;
    room->range_low = range & 0xffff;
    room->range_high = range >> 16;
    room->time_wait_reuse = bpf_core_field_exists(net->ipv4.sysctl_tcp_tw_reuse)
                                ? BPF_CORE_READ(net, ipv4.sysctl_tcp_tw_reuse)
                                : PORTD_NO_SUCH_SETTING;
    room->unprivileged_start = BPF_CORE_READ(net, ipv4.sysctl_ip_prot_sock);
    if (bpf_probe_read_kernel(room->reserved_ports, sizeof(room->reserved_ports),
                              BPF_CORE_READ(net, ipv4.sysctl_local_reserved_ports)) != 0)
        return false;
    bpf_seq_write(out, room, sizeof(*room));
    return true;
}

/* What a process holds without being seen to: the port is that of a subflow; or a UDP socket has no port any
   more that it was told with, for which no hook runs. Only what has a cookie can be named here: what has
   none was not told of. */
static __always_inline bool begin_row_of_told(struct portd_row *row, struct sock *held) {
    struct sock *sk = port_bearer(held);
    __u64 cookie = sk ? told_cookie(sk) : 0;
    __u8 protocol;
    __u16 port;

    if (cookie == 0)
        return false;
    protocol = protocol_of(sk, CHECKED);
    port = local_port_of(sk);
    if (sk == held) {
        if (protocol != IPPROTO_UDP || port != 0)
            return false;
    } else if (protocol != IPPROTO_TCP || !is_recorded(sk, port, CHECKED)) {
        return false;
    }
    begin_row(row, cookie);
    read_row(row, sk, protocol, port, CHECKED);
    return true;
}

SEC("iter/task_file")
int portd_held_sockets(struct bpf_iter__task_file *ctx) {
    struct seq_file *out = ctx->meta->seq;
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    struct portd_image image;
    struct portd_row row;
    struct socket *socket;
    struct sock *sk;
    __u8 protocol;
    __u16 port;
    bool tells_namespace;

    if (ctx->meta->seq_num == 0) {
        last_holder.pid = 0;
        ++reading;
    }
    if (!task || !file)
        return 0;
    socket = bpf_sock_from_file(file);
    if (!socket)
        return 0;
    sk = socket->sk;
    if (!sk)
        return 0;
    protocol = protocol_of(sk, TYPED);
    port = sk->__sk_common.skc_num;
    if (protocol && is_recorded(sk, port, TYPED)) {
        begin_row(&row, bpf_get_socket_cookie(sk));
        read_row(&row, sk, protocol, port, TYPED);
    } else if (!begin_row_of_told(&row, address_of(sk))) {
        return 0;
    }
    row.header.flags |= PORTD_HAS_IMAGE;
    tells_namespace = !is_told_in_this_reading(row.network_namespace) &&
                      tell_namespace(out, BPF_CORE_READ(address_of(sk), __sk_common.skc_net.net),
                                     row.network_namespace);
    read_image(task, &image);
    if (image.pid != last_holder.pid || image.started_at_ns != last_holder.started_at_ns ||
        image.exec_id != last_holder.exec_id)
        tell_holder(out, task, &image);
    /* What does not fit to its end is taken back, and comes first in the next read. */
    if (bpf_seq_write(out, &row, sizeof(row)) == 0) {
        last_holder = image;
        if (tells_namespace)
            bpf_map_update_elem(&namespaces_told, &row.network_namespace, &reading, BPF_ANY);
    }
    return 0;
}

SEC("iter/tcp")
int portd_tcp_sockets(struct bpf_iter__tcp *ctx) {
    struct sock_common *common = ctx->sk_common;
    struct portd_row row;
    struct tcp_sock *tcp;
    struct sock *sk;
    __u16 port;

    if (!common)
        return 0;
    port = common->skc_num;
    if (!is_recorded((struct sock *)common, port, TYPED))
        return 0;
    tcp = bpf_skc_to_tcp_sock(common);
    sk = (struct sock *)tcp;
    if (tcp && tables_leave_out_files && has_file(sk))
        return 0;
    if (!tcp && common->skc_state == TCP_NEW_SYN_RECV)
        return 0; /* a request: of the socket that it may become, events tell under another cookie */
    begin_row(&row, bpf_get_socket_cookie(common));
    if (tcp) {
        read_row(&row, sk, IPPROTO_TCP, port, TYPED);
        if (!sk->sk_socket)
            row.header.flags |= PORTD_ORPHAN;
    } else { /* TIME_WAIT */
        struct inet_timewait_sock *entry = (void *)common;
        PORTD_READ_COMMON(TYPED, &row, (struct sock *)common);
        row.local_port = port;
        row.protocol = IPPROTO_TCP;
        row.header.flags |= PORTD_ORPHAN;
        row.state = BPF_CORE_READ(entry, tw_substate);
    }
    bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
    return 0;
}

/* Which port connect(2) gave a socket is told by a row only: such are shown always. */
SEC("iter/udp")
int portd_udp_sockets(struct bpf_iter__udp *ctx) {
    struct sock *sk = (struct sock *)ctx->udp_sk;
    struct portd_row row;
    __u16 port;

    if (!sk)
        return 0;
    port = sk->__sk_common.skc_num;
    if (protocol_of(sk, TYPED) != IPPROTO_UDP || !is_recorded(sk, port, TYPED))
        return 0;
    if (tables_leave_out_files && has_file(sk) && sk->__sk_common.skc_dport == 0)
        return 0;
    begin_row(&row, bpf_get_socket_cookie(sk));
    read_row(&row, sk, IPPROTO_UDP, port, TYPED);
    bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
    return 0;
}

#endif
