/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What a process is, read by the kernel at the moment of use: its image may be gone before anybody
 * could look into /proc.
 */
#ifndef PORTD_PROCESS_BPF_H
#define PORTD_PROCESS_BPF_H

#define PF_EXITING 0x00000004 /* include/linux/sched.h */
#define PF_FORKNOEXEC 0x00000040
#define PF_KTHREAD 0x00200000

#define MOST_NAMES 64    /* of one path */
#define LONGEST_NAME 256 /* NAME_MAX and its NUL */

struct image_note {
    __u64 started_at_ns;
    __u32 exec_id;
    __u32 reserved;
};

/* The images that have been told of, by pid. What falls out is told again. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32);
    __type(value, struct image_note);
} told_images SEC(".maps");

static __always_inline struct task_struct *current_task(void) {
    return bpf_get_current_task_btf();
}

static __always_inline void read_image(struct task_struct *task, struct portd_image *image) {
    image->started_at_ns = task->group_leader->start_boottime;
    image->pid = task->tgid;
    image->exec_id = task->self_exec_id;
}

/* Names being gathered from a leaf to its root. */
struct walk {
    char *strings;
    __u64 end;   /* of the names in `strings` */
    __u64 half;  /* of the room that `strings` has: the limit of all names together */
    void *at;    /* where the walk is: a dentry or a kernfs_node */
    void *place; /* the mount of the dentry */
    bool has_arrived;
};

enum { GO_ON = 0, STOP = 1 };

static __always_inline int append_name(struct walk *walk, const void *name) {
    __u64 end = walk->end;
    long bytes;

    if (end > walk->half - LONGEST_NAME)
        return STOP;
    bytes = bpf_probe_read_kernel_str(walk->strings + end, LONGEST_NAME, name);
    if (bytes < 0)
        return STOP;
    walk->end = end + bytes;
    return GO_ON;
}

/* One step up the mount tree, as d_path() of fs/d_path.c goes. */
static long step_up_path(__u32 step, struct walk *walk) {
    struct vfsmount *place = walk->place;
    struct dentry *entry = walk->at;
    struct dentry *parent;

    if (entry == BPF_CORE_READ(place, mnt_root)) {
        struct mount *mount = (void *)place - bpf_core_field_offset(struct mount, mnt);
        struct mount *above = BPF_CORE_READ(mount, mnt_parent);
        walk->has_arrived = above == mount;
        walk->at = BPF_CORE_READ(mount, mnt_mountpoint);
        walk->place = (void *)above + bpf_core_field_offset(struct mount, mnt);
        return walk->has_arrived ? STOP : GO_ON;
    }
    parent = BPF_CORE_READ(entry, d_parent);
    if (append_name(walk, BPF_CORE_READ(entry, d_name.name)) == STOP)
        return STOP;
    walk->has_arrived = entry == parent;
    walk->at = parent;
    return walk->has_arrived ? STOP : GO_ON;
}

static __always_inline struct kernfs_node *parent_group(struct kernfs_node *group) {
    struct kernfs_node___v615 *renamed = (void *)group;

    if (bpf_core_field_exists(renamed->__parent))
        return BPF_CORE_READ(renamed, __parent);
    return BPF_CORE_READ(group, parent);
}

static long step_up_groups(__u32 step, struct walk *walk) {
    struct kernfs_node *group = walk->at;
    struct kernfs_node *parent = parent_group(group);

    walk->has_arrived = !parent;
    walk->at = parent;
    if (!parent)
        return STOP;
    return append_name(walk, BPF_CORE_READ(group, name));
}

/* Both kinds of names at the start of strings; what does not fit is left out and flagged. */
static __always_inline void read_names(struct portd_process_event *event, char *strings, __u32 half,
                                       struct task_struct *task, struct mm_struct *memory) {
    struct file *program = memory ? BPF_CORE_READ(memory, exe_file) : NULL;
    struct walk walk = {.strings = strings, .half = half};
    const __u64 nothing = 0;

    /* A zero that the verifier does not know to be one: otherwise it follows the walk with every end of
       the names that there can be, for a second in all. */
    bpf_probe_read_kernel(&walk.end, sizeof(walk.end), &nothing);
    if (program) {
        walk.at = BPF_CORE_READ(program, f_path.dentry);
        walk.place = BPF_CORE_READ(program, f_path.mnt);
        bpf_loop(MOST_NAMES, step_up_path, &walk, 0);
        if (!walk.has_arrived) {
            event->header.flags |= PORTD_PATH_CUT;
            walk.end = 0;
        }
    }
    event->path_bytes = walk.end;
    walk.has_arrived = false;
    walk.at = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
    bpf_loop(MOST_NAMES, step_up_groups, &walk, 0);
    if (walk.has_arrived)
        event->control_group_bytes = walk.end - event->path_bytes;
    else
        event->header.flags |= PORTD_CONTROL_GROUP_CUT;
}

/* Whether the program that this memory is of has not got further than its exec(2): until then the name and
   the count of images are of the program before (begin_new_exec() of fs/exec.c puts the memory in place
   first, setup_arg_pages() says where the arguments are after all that). */
static __always_inline bool is_amid_exec(struct mm_struct *memory) {
    return BPF_CORE_READ(memory, arg_start) == 0;
}

/* Of the current task only: its memory is the one that is there. */
static __always_inline void read_arguments(struct portd_process_event *event, char *strings,
                                           __u32 half, struct mm_struct *memory) {
    unsigned long start = BPF_CORE_READ(memory, arg_start);
    unsigned long bytes = BPF_CORE_READ(memory, arg_end) - start;
    __u32 wanted = bytes;

    if (bytes > half) {
        wanted = half;
        event->header.flags |= PORTD_ARGUMENTS_CUT;
    }
    if (wanted == 0 || wanted > half)
        return;
    if (bpf_probe_read_user(strings + half, wanted, (void *)start) == 0)
        event->arguments_bytes = wanted;
}

static __always_inline void read_ancestors(struct portd_process_event *event,
                                           struct task_struct *task) {
    int i;

    event->ancestor_count = 0;
    for (i = 0; i < PORTD_ANCESTORS; ++i) {
        __u32 pid;
        task = BPF_CORE_READ(task, real_parent, group_leader);
        pid = BPF_CORE_READ(task, tgid);
        if (pid == 0)
            return;
        event->ancestors[i].pid = pid;
        bpf_probe_read_kernel(event->ancestors[i].command, PORTD_COMMAND_BYTES, &task->comm);
        event->ancestor_count = i + 1;
    }
}

/* All but the strings. */
static __always_inline void read_facts(struct portd_process_event *event, struct task_struct *task,
                                       const struct portd_image *image) {
    struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    const struct cred *credentials = BPF_CORE_READ(task, cred);

    event->image = *image;
    event->uid = BPF_CORE_READ(credentials, euid.val);
    event->gid = BPF_CORE_READ(credentials, egid.val);
    event->login_uid = (__u32)-1;
    if (bpf_core_field_exists(task->loginuid))
        event->login_uid = BPF_CORE_READ(task, loginuid.val);
    event->path_bytes = 0;
    event->control_group_bytes = 0;
    event->arguments_bytes = 0;
    event->reserved = 0;
    if (BPF_CORE_READ(task, flags) & PF_FORKNOEXEC)
        event->header.flags |= PORTD_FORKED;
    bpf_probe_read_kernel(event->command, PORTD_COMMAND_BYTES, &leader->comm);
    read_ancestors(event, task);
}

#define PORTD_PROCESS_CUT (PORTD_PATH_CUT | PORTD_CONTROL_GROUP_CUT | PORTD_ARGUMENTS_CUT)

/* Tells the image of the current task in a record with this much room for strings: 0 if it was told, 1
   if it needs more room, -1 if there is none in the ring. */
static __always_inline int tell_image_in(struct task_struct *task, const struct portd_image *image,
                                         __u32 strings_bytes, bool last_try) {
    const __u32 length = sizeof(struct portd_process_event) + strings_bytes;
    struct mm_struct *memory = BPF_CORE_READ(task, mm);
    struct portd_process_event *event = bpf_ringbuf_reserve(&ring, length, 0);
    char *strings;

    if (!event)
        return -1;
    strings = (char *)(event + 1);
    begin_event(&event->header, PORTD_PROCESS, length);
    read_facts(event, task, image);
    read_names(event, strings, strings_bytes / 2, task, memory);
    if (memory)
        read_arguments(event, strings, strings_bytes / 2, memory);
    else
        event->header.flags |= PORTD_NO_MEMORY;
    if (!last_try && (event->header.flags & PORTD_PROCESS_CUT)) {
        bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
        return 1;
    }
    bpf_ringbuf_submit(event, wakeup());
    return 0;
}

static __noinline int tell_image(struct task_struct *task, const struct portd_image *image) {
    struct image_note note = {image->started_at_ns, image->exec_id, 0};
    struct mm_struct *memory = BPF_CORE_READ(task, mm);
    __u32 pid = image->pid;
    int result;

    if (memory && is_amid_exec(memory))
        return 0; /* it closes sockets of the program before, of which nobody has been told */
    result = tell_image_in(task, image, PORTD_SMALL_STRINGS, false);
    if (result == 1)
        result = tell_image_in(task, image, PORTD_LARGE_STRINGS, true);
    __sync_fetch_and_add(&counters.issued, 1);
    if (result != 0) {
        __sync_fetch_and_add(&counters.ring_full, 1);
        return -1;
    }
    bpf_map_update_elem(&told_images, &pid, &note, BPF_ANY);
    return 0;
}

/* Fills `image` and tells it unless it has been. False where the current task is a kernel thread. */
static __always_inline bool meet_current_image(struct portd_image *image) {
    struct task_struct *task = current_task();
    struct image_note *told;
    __u32 pid;

    if (task->flags & PF_KTHREAD)
        return false;
    read_image(task, image);
    pid = image->pid;
    told = bpf_map_lookup_elem(&told_images, &pid);
    if (!told || told->started_at_ns != image->started_at_ns || told->exec_id != image->exec_id)
        tell_image(task, image);
    return true;
}

#if defined(__TARGET_ARCH_x86)
enum { SYS_ACCEPT = 43, SYS_ACCEPT4 = 288, SYS_EXECVE = 59, SYS_EXECVEAT = 322, SYS_READ = 0,
       SYS_PREAD64 = 17, SYS_READV = 19, SYS_READLINK = 89, SYS_READLINKAT = 267, SYS_NEWFSTATAT = 262,
       SYS_STATX = 332, USER_CS = 0x33 };
#elif defined(__TARGET_ARCH_arm64)
enum { SYS_ACCEPT = 202, SYS_ACCEPT4 = 242, SYS_EXECVE = 221, SYS_EXECVEAT = 281, SYS_READ = 63,
       SYS_PREAD64 = 67, SYS_READV = 65, SYS_READLINK = -2, SYS_READLINKAT = 78, SYS_NEWFSTATAT = 79,
       SYS_STATX = 291 };
#else
#error "where this architecture keeps the number of a system call is not known here"
#endif
#define THREAD_BYTES 16384 /* THREAD_SIZE, with pages of 4 KiB and without KASAN */

/* The number of the system call that the current task is in, -1 if that is not to be known (another
   stack size, a 32-bit program, a kernel thread). The registers it entered with lie at the top of its
   stack: task_pt_regs(). */
static __always_inline int current_system_call(void) {
    void *top = current_task()->stack + THREAD_BYTES;
    void *registers = top - bpf_core_type_size(struct pt_regs);
#if defined(__TARGET_ARCH_x86)
    struct pt_regs___x86 *entered = registers;
    if (BPF_CORE_READ(entered, cs) != USER_CS)
        return -1;
    return BPF_CORE_READ(entered, orig_ax);
#else
    struct pt_regs___arm64 *entered = registers;
    if (BPF_CORE_READ(entered, pstate) & 0x1f)
        return -1; /* not from EL0, 64 bits */
    return BPF_CORE_READ(entered, syscallno);
#endif
}

/* Who reads /proc/PID/fd, or iterates over descriptors as portd does, has a reference to the file for a
   moment; it can be the last one. An exiting process lets go of its own, whatever it was in. */
static __always_inline bool caller_only_looks(void) {
    if (current_task()->flags & PF_EXITING)
        return false;
    switch (current_system_call()) {
    case SYS_READ:
    case SYS_PREAD64:
    case SYS_READV:
    case SYS_READLINK:
    case SYS_READLINKAT:
    case SYS_NEWFSTATAT:
    case SYS_STATX:
        return true;
    }
    return false;
}

static __always_inline __u8 system_call_flags(void) {
    switch (current_system_call()) {
    case SYS_ACCEPT:
    case SYS_ACCEPT4:
        return PORTD_IN_ACCEPT;
    case SYS_EXECVE:
    case SYS_EXECVEAT:
        return PORTD_IN_EXEC;
    }
    return 0;
}

#endif
