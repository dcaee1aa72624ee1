// What the iterators of the BPF program say of the sockets that there are, spoken in observations.
#pragma once

#include "capture/ebpf_events.hpp"
#include "capture/held_sockets.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <vector>

namespace portd::capture {

class EbpfSnapshot {
  public:
    EbpfSnapshot(ImageTable &images, EbpfEvents &events, std::uint32_t own_namespace)
        : images_(images), events_(events), own_namespace_(own_namespace) {}

    // Another look begins. It is met piece by piece, whole records each: the own namespace's
    // tables, and the sockets that processes hold anywhere. Throws std::system_error if the records
    // cannot be understood; nothing has been told then.
    void begin();
    void meet_tables(std::span<const std::byte> records);
    void meet_held(std::span<const std::byte> records);
    // All was met, as it was read from `began` on. The first word of it goes to the sink; rows
    // follow in finish(), so that events can be told in between: what they say is newer than the
    // start of the snapshot.
    void start(model::Instant began, const Sink &sink);
    // `is_whole`: events may have been lost, so what it does not show is gone. Otherwise their ends
    // are left to events, but for TIME_WAIT entries, of whose end there is none; and of sockets
    // that processes have, only what is new is told.
    void finish(model::Instant now, bool is_whole, const Sink &sink);

    // In place of start() and finish(), where only the TCP table was met: for what lingers in it.
    void tell_lingering(model::Instant began, model::Instant now, const Sink &sink);

    // The earlier instance may have seen such as are gone by now.
    void expect_lingering() { has_lingering_ = true; }

    // Whether the last look or the one before it found what no event tells the end of: TIME_WAIT
    // entries and orphans, sockets of the kernel's own. It takes two looks to be sure of their end.
    bool has_lingering() const { return has_lingering_ || had_lingering_; }
    bool has_kernel_sockets() const { return has_kernel_sockets_ || had_kernel_sockets_; }

    // What other network namespaces, in which processes hold sockets, say of their ports; as the
    // last look found it.
    const model::KnownPorts &foreign_ports() const { return foreign_ports_; }
    // Nothing if it is as it was at the last call.
    std::optional<model::KnownPorts> take_foreign_ports();

  private:
    // Of more namespaces, or of longer lists of reserved ports than anybody writes, nothing is
    // kept: whoever may make a namespace could fill the memory.
    static constexpr std::size_t most_namespaces = 4096;
    static constexpr std::size_t most_reserved_ranges = 1024;

    template <typename OnImage, typename OnRow, typename OnNamespace>
    void decode(std::span<const std::byte> records, OnImage on_image, OnRow on_row,
                OnNamespace on_namespace);
    void meet_namespace(const NamespaceTold &told);
    bool is_news(const HeldSockets::Held &held) const;
    void tell_rows(bool is_whole, const Sink &sink);
    void tell_row(const SocketRow &row, const Sink &sink);
    void tell_holders(model::Instant now, bool is_whole, const Sink &sink);
    void tell_counts(std::span<const HeldSockets::Holder> holders, model::Instant now,
                     const Sink &sink);
    void look_for_lingering();

    ImageTable &images_;
    EbpfEvents &events_;
    const std::uint32_t own_namespace_;
    std::vector<SocketRow> table_rows_;
    std::vector<SocketRow> portless_; // UDP sockets that have left the port they were told with
    std::vector<ImageTold> exiting_;  // of which events may tell more
    HeldSockets held_;
    std::set<std::uint32_t> foreign_namespaces_; // that have sockets in this look
    model::KnownPorts foreign_ports_;
    model::KnownPorts met_ports_; // of a look that is not complete
    bool are_foreign_ports_new_ = false;
    model::Instant began_{};
    model::Instant began_before_{};
    bool has_lingering_ = false;
    bool had_lingering_ = false;
    bool has_kernel_sockets_ = false;
    bool had_kernel_sockets_ = false;
};

} // namespace portd::capture
