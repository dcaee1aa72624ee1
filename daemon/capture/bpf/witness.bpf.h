/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The destroy events of sock_diag(7) bear witness to what the hooks tell. The kernel writes one for every
 * socket of the reader's network namespace; this filter of the reader's socket drops those that say nothing
 * new, before they are queued: of ports that are not recorded, and of sockets whose end was told.
 */
#ifndef PORTD_WITNESS_BPF_H
#define PORTD_WITNESS_BPF_H

/* Sockets whose end was told, by their cookies: those are handed out in turn and never again. The kernel's
   worker that writes the destroy events may be far behind on a busy machine, and what is heard long after it
   was told is taken for a socket that nobody told of: the last million ends or so are remembered. A word is
   about neighbours; its upper half says of which. Two processors may write one at once: what one of them
   noted is forgotten then, and heard once more. */
#define NEIGHBOURS 16
#define END_WORDS (1 << 16)
#define RELEASE_TOLD 1ULL
#define END_TOLD (1ULL << NEIGHBOURS)
__u64 told_ends[END_WORDS];

static __always_inline __u64 *word_of(__u64 cookie) {
    return &told_ends[cookie / NEIGHBOURS & (END_WORDS - 1)];
}

static __always_inline __u64 told_of_neighbours(__u64 cookie) {
    __u64 word = *word_of(cookie);
    __u64 upper_half = cookie / NEIGHBOURS << 32;

    return (word ^ upper_half) >> 32 ? upper_half : word;
}

static __always_inline void note_told_release(__u64 cookie, bool is_closed) {
    *word_of(cookie) = told_of_neighbours(cookie) |
                       (is_closed ? END_TOLD : RELEASE_TOLD) << cookie % NEIGHBOURS;
}

/* One that is closed before it is released has its end with that. */
static __always_inline void note_told_close(__u64 cookie) {
    __u64 told = told_of_neighbours(cookie);

    if (told & RELEASE_TOLD << cookie % NEIGHBOURS)
        *word_of(cookie) = told | END_TOLD << cookie % NEIGHBOURS;
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
    return told_of_neighbours(cookie) & END_TOLD << cookie % NEIGHBOURS ? DROP : KEEP;
}

#endif
