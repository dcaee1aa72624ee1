/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The parts of the kernel's own types that the BPF program reads. libbpf finds the places of the members
 * in the BTF of the kernel that runs (CO-RE), so only names and kinds matter here. Where a member was
 * renamed or changed its type, each form has a struct of its own, told apart by what follows "___".
 */
#ifndef PORTD_KERNEL_TYPES_H
#define PORTD_KERNEL_TYPES_H

#include <linux/types.h>

typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Files and paths: include/linux/dcache.h, fs/mount.h. */

struct qstr {
    const unsigned char *name;
};

struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
};

struct vfsmount {
    struct dentry *mnt_root;
};

struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
};

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};

struct file {
    struct path f_path;
};

/* Control groups: include/linux/kernfs.h, include/linux/cgroup-defs.h. */

struct kernfs_node {
    struct kernfs_node *parent;
    const char *name;
};

/* Since Linux 6.15, commit 633488947ef6. */
struct kernfs_node___v615 {
    struct kernfs_node *__parent;
};

struct cgroup {
    struct kernfs_node *kn;
};

struct css_set {
    struct cgroup *dfl_cgrp;
};

/* Processes: include/linux/sched.h, include/linux/cred.h, include/linux/mm_types.h. */

typedef struct {
    __u32 val;
} kuid_t;

typedef struct {
    __u32 val;
} kgid_t;

struct cred {
    kuid_t euid;
    kgid_t egid;
};

struct mm_struct {
    unsigned long arg_start;
    unsigned long arg_end;
    struct file *exe_file;
};

typedef struct {
    int counter;
} atomic_t;

struct signal_struct {
    atomic_t live; /* threads */
};

struct task_struct {
    unsigned int flags;
    void *stack;
    int tgid;
    struct mm_struct *mm;
    struct task_struct *real_parent;
    struct task_struct *group_leader;
    __u64 start_boottime;
    const struct cred *cred;
    char comm[16];
    struct signal_struct *signal;
    __u64 self_exec_id;
    kuid_t loginuid;
    struct css_set *cgroups;
};

/* The registers with which a process entered the kernel: arch/.../include/asm/ptrace.h. */

struct pt_regs___x86 {
    unsigned long orig_ax;
    unsigned short cs;
};

struct pt_regs___arm64 {
    __u64 pstate;
    __s32 syscallno;
};

struct pt_regs {}; /* for its size */

/* Network namespaces: include/net/net_namespace.h, include/net/netns/ipv4.h. */

struct ns_common {
    unsigned int inum;
};

/* Not there without CONFIG_SYSCTL. */
struct netns_ipv4 {
    unsigned long *sysctl_local_reserved_ports; /* one bit a port */
    int sysctl_ip_prot_sock;                    /* net.ipv4.ip_unprivileged_port_start */
    __u8 sysctl_tcp_tw_reuse;
};

struct net {
    struct ns_common ns;
    struct netns_ipv4 ipv4;
};

/* Until Linux 6.8. */
struct local_ports___v61 {
    int range[2];
};

struct netns_ipv4___v61 {
    struct local_ports___v61 ip_local_ports;
};

struct net___v61 {
    struct netns_ipv4___v61 ipv4;
};

/* Since then, commit d9f28735af87: low in the lower half, high in the upper. */
struct local_ports___v68 {
    __u32 range;
};

struct netns_ipv4___v68 {
    struct local_ports___v68 ip_local_ports;
};

struct net___v68 {
    struct netns_ipv4___v68 ipv4;
};

typedef struct {
    struct net *net;
} possible_net_t;

/* Sockets: include/net/sock.h, include/net/inet_sock.h, include/linux/tcp.h. */

struct in6_addr {
    __be32 words[4];
};

typedef struct {
    __s64 counter;
} atomic64_t;

struct sock_common {
    __be32 skc_daddr;
    __be32 skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    possible_net_t skc_net;
    unsigned long skc_flags;
    struct in6_addr skc_v6_daddr;
    struct in6_addr skc_v6_rcv_saddr;
    atomic64_t skc_cookie; /* 0 until somebody asks for it */
};

struct socket {
    struct file *file; /* that descriptors refer to; null of sockets of the kernel */
    struct sock *sk;
};

struct inet_timewait_sock {
    unsigned char tw_substate;
};

typedef struct {
    int owned;
} socket_lock_t;

struct sock {
    struct sock_common __sk_common;
    socket_lock_t sk_lock;
    int sk_err;
    kuid_t sk_uid;
    __u16 sk_protocol;
    __u8 sk_kern_sock : 1;
    __u8 sk_userlocks : 4;
    struct socket *sk_socket;
};

struct inet_sock {
    struct sock sk;
    __be16 inet_sport;
};

/* include/net/inet_hashtables.h */
struct inet_bind_bucket {
    signed char fastreuse;
    signed char fastreuseport;
};

struct inet_connection_sock {
    struct inet_sock icsk_inet;
    struct inet_bind_bucket *icsk_bind_hash;
};

struct tcp_sock {
    struct inet_connection_sock inet_conn;
    __u64 bytes_received;
    __u64 bytes_sent;
    __u64 bytes_retrans;
    bool is_mptcp;
};

struct udp_sock {
    struct inet_sock inet;
};

/* net/mptcp/protocol.h; not there without CONFIG_MPTCP. */
struct mptcp_sock {
    struct sock *first;
};

/* Iterators: kernel/bpf/task_iter.c, net/ipv4/tcp_ipv4.c, net/ipv4/udp.c. */

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
    __u64 seq_num; /* 0: the first */
};

struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    __u32 fd;
    struct file *file;
};

struct bpf_iter__tcp {
    struct bpf_iter_meta *meta;
    struct sock_common *sk_common;
    __u32 uid;
};

struct bpf_iter__udp {
    struct bpf_iter_meta *meta;
    struct udp_sock *udp_sk;
    __u32 uid;
};

#pragma clang attribute pop

#endif
