/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The way out: the ring buffer, and the account of what could not be put into it. */
#ifndef PORTD_RING_BPF_H
#define PORTD_RING_BPF_H

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4 << 20); /* set when loaded */
} ring SEC(".maps");

struct portd_counters counters;

/* The reader comes by on a timer: it is woken only when the ring fills up faster than that. */
const volatile __u64 wake_at_bytes = 1 << 20;
__u64 woken_at; /* the producer's position then */

/* What was read stays in the ring until it is stored. It is not worth an interrupt for each event that
   comes meanwhile: the reader is woken again when as much as an eighth was added. */
static __always_inline __u64 wakeup(void) {
    __u64 position;

    if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) < wake_at_bytes)
        return BPF_RB_NO_WAKEUP;
    position = bpf_ringbuf_query(&ring, BPF_RB_PROD_POS);
    if (position - woken_at < wake_at_bytes / 8)
        return BPF_RB_NO_WAKEUP;
    woken_at = position;
    return BPF_RB_FORCE_WAKEUP;
}

/* An event is issued before there is room for it: what finds none is counted. */
#define PORTD_RESERVE(size)                                                                        \
    ({                                                                                             \
        void *room_ = bpf_ringbuf_reserve(&ring, (size), 0);                                       \
        __sync_fetch_and_add(&counters.issued, 1);                                                 \
        if (!room_)                                                                                \
            __sync_fetch_and_add(&counters.ring_full, 1);                                          \
        room_;                                                                                     \
    })

static __always_inline void begin_event(struct portd_header *header, __u8 kind, __u16 length) {
    header->at_ns = bpf_ktime_get_boot_ns();
    header->length = length;
    header->kind = kind;
    header->flags = 0;
    header->reserved = 0;
}

#endif
