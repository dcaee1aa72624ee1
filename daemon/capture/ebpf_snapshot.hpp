// What the iterators of the BPF program say of the sockets that there are, spoken in observations.
#pragma once

#include "capture/ebpf_events.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

namespace portd::capture {

class EbpfSnapshot {
  public:
    EbpfSnapshot(ImageTable &images, EbpfEvents &events, std::uint32_t own_namespace)
        : images_(images), events_(events), own_namespace_(own_namespace) {}

    // Records of the own namespace's tables, and of the sockets that processes hold anywhere, as
    // read from `began` on. The first word of them goes to the sink; rows follow in finish(), so
    // that events can be told in between: what they say is newer than the start of the snapshot.
    // Throws std::system_error before a word is told if the records cannot be understood.
    void begin(std::span<const std::byte> tables, std::span<const std::byte> held,
               model::Instant began, const Sink &sink);
    // `is_whole`: events may have been lost, so what it does not show is gone. Otherwise their ends
    // are left to events, but for TIME_WAIT entries, of whose end there is none.
    void finish(model::Instant now, bool is_whole, const Sink &sink);

    // The TCP table of the own namespace alone, for what lingers in it.
    void tell_lingering(std::span<const std::byte> tcp, model::Instant began, model::Instant now,
                        const Sink &sink);

    // The earlier instance may have seen such as are gone by now.
    void expect_lingering() { lingering_ = 1; }

    // Whether the last look or the one before it found what no event tells the end of: TIME_WAIT
    // entries and orphans, sockets of the kernel's own. It takes two looks to be sure of their end.
    bool has_lingering() const { return lingering_ + lingering_before_ > 0; }
    bool has_kernel_sockets() const { return kernel_sockets_ + kernel_sockets_before_ > 0; }

  private:
    // That the image has the socket.
    struct Holder {
        model::SocketKey key;
        ImageId image;
        model::ProcessRef process;
    };
    static bool is_before(const Holder &a, const Holder &b);
    static bool is_same(const Holder &a, const Holder &b);

    template <typename OnRow>
    void decode(std::span<const std::byte> records, OnRow on_row);
    void keep_tables(std::span<const std::byte> tables);
    void tell_rows(const Sink &sink);
    void tell_row(const SocketEvent &row, const Sink &sink);
    void tell_holders(model::Instant now, const Sink &sink);

    ImageTable &images_;
    EbpfEvents &events_;
    const std::uint32_t own_namespace_;
    std::set<std::uint32_t>
        foreign_namespaces_; // ever seen to have sockets, while they have leases
    std::unordered_map<model::SocketKey, SocketEvent> rows_;
    std::vector<Holder> holders_; // sorted, each once
    std::vector<Holder> holders_before_;
    model::Instant began_{};
    model::Instant began_before_{};
    std::size_t lingering_ = 0;
    std::size_t lingering_before_ = 0;
    std::size_t kernel_sockets_ = 0;
    std::size_t kernel_sockets_before_ = 0;
};

} // namespace portd::capture
