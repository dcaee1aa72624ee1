/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The destroy events of sock_diag(7) bear witness to what the hooks tell. The kernel writes one for every
 * socket of the reader's network namespace; this filter of the reader's socket drops those that say nothing
 * new, before they are queued: of ports that are not recorded, and of sockets whose end was told.
 */
#ifndef PORTD_WITNESS_BPF_H
#define PORTD_WITNESS_BPF_H

/* The newest cookies whose end was told, each in a place of its own for as long as no other takes it. What
   was forgotten is heard once more, no harm done. Cookies are handed out in turn and never again: their
   low bits spread them. */
#define MOST_ENDS (1 << 14)
#define BEFORE_CLOSE (1ULL << 63) /* released; that it is closed is yet to be told */
__u64 told_ends[MOST_ENDS];

static __always_inline void note_told_release(__u64 cookie, bool is_closed) {
    told_ends[cookie & (MOST_ENDS - 1)] = is_closed ? cookie : cookie | BEFORE_CLOSE;
}

/* One that is closed before it is released has its end with that. */
static __always_inline void note_told_close(__u64 cookie) {
    __u64 *place = &told_ends[cookie & (MOST_ENDS - 1)];

    if (*place == (cookie | BEFORE_CLOSE))
        *place = cookie;
}

#define PORTD_DESTROY_MEMBER(message, member, into)                                                \
    bpf_skb_load_bytes(message, NLMSG_HDRLEN + __builtin_offsetof(struct inet_diag_msg, member),   \
                       into, sizeof(*(into)))

enum { DROP = 0, KEEP = -1 };

SEC("socket")
int portd_destroyed(struct __sk_buff *message) {
    struct sock *reader;
    __u64 cookie;
    __u16 port;

    if (!message->sk || PORTD_DESTROY_MEMBER(message, id.idiag_cookie, &cookie) != 0 ||
        PORTD_DESTROY_MEMBER(message, id.idiag_sport, &port) != 0)
        return KEEP;
    reader = address_of(message->sk);
    if (!is_recorded(reader, bpf_ntohs(port), CHECKED))
        return DROP;
    return told_ends[cookie & (MOST_ENDS - 1)] == cookie ? DROP : KEEP;
}

#endif
