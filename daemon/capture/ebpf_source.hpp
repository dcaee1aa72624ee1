// The ebpf tier: exact. Events of the kernel's hooks, a snapshot at the start, after every loss and
// where events do not tell enough, and the sock_diag destroy groups as a witness.
#pragma once

#include "capture/bind_looks.hpp"
#include "capture/bpf_program.hpp"
#include "capture/checkpoint.hpp"
#include "capture/ebpf_snapshot.hpp"
#include "capture/namespace_names.hpp"
#include "capture/ring_consumer.hpp"
#include "capture/self_check.hpp"
#include "capture/sock_diag.hpp"
#include "capture/source.hpp"
#include "capture/takeover.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace portd::capture {

class EbpfSource : public Source {
  public:
    // Throws std::runtime_error (std::system_error is one) with what is missing. `clock` outlives
    // the source.
    EbpfSource(const model::PortPolicy &ports, PortFilter records, ArgumentPolicy arguments,
               std::size_t ring_bytes, Kept kept, const model::Clock &clock);

    // Why what an earlier instance left is not gone on with; nothing if it is, or it left nothing.
    const std::optional<std::string> &not_kept() const { return capture_.not_kept; }

    CaptureTier tier() const override { return CaptureTier::ebpf; }
    std::vector<std::string> limitations() const override;
    std::vector<int> descriptors() const override { return {wakeups_.descriptor()}; }
    model::Duration reading_period() const override;
    void read_events(Promptness promptness, const Sink &sink) override;
    Sample sample(const Sink &sink) override;
    std::vector<Loss> take_losses() override;
    std::vector<model::BindFailure> take_bind_failures() override;
    std::vector<NamespaceName> take_namespace_names() override { return names_.take(); }
    std::optional<model::KnownPorts> take_foreign_ports() override {
        return snapshot_.take_foreign_ports();
    }
    std::optional<model::LedgerNotes> take_resumed_notes() override;
    std::vector<std::pair<std::string, int>> descriptors_to_keep() const override;
    std::optional<model::RingMark> note(const model::LedgerNotes &notes) override;
    bool wants_all_notes() const override;
    void note_all(const model::LedgerNotes &notes) override;
    void seek_holders() override { events_.seek_holders(); }
    void doubt() override { has_lost_ = is_in_doubt_ = true; }
    bool needs_acknowledgement() const override;
    void acknowledge() override { ring_.acknowledge(); }
    std::optional<EventAccount> events() const override;
    std::optional<SelfCheck> self_check() const override { return self_check_; }

  private:
    // The program, loaded or taken over.
    struct Capture {
        std::unique_ptr<BpfProgram> program;
        std::optional<Journal> journal; // none after a fault: then it cannot be taken over
        std::vector<Journal::Frame> frames;
        std::uint64_t position = 0;
        std::optional<std::string> not_kept;
    };
    static Capture begin(const model::PortPolicy &ports, ArgumentPolicy arguments,
                         std::size_t ring_bytes, Kept kept);

    void resume();
    template <typename Write>
    void write_journal(Write write);
    Checkpoint checkpoint() const;
    void notice(const model::Observation &observation);
    bool drain(const Sink &sink, SelfCheckTraffic *checked = nullptr);
    void account_losses(model::Instant drained_at);
    void note_loss(const char *cause, std::uint64_t events, model::Instant drained_at);
    void hear_witness(const Sink &sink);
    bool wants_snapshot(model::Instant now) const;
    bool wants_lingering(model::Instant now) const;
    void snapshot(const Sink &sink);
    void look_at_lingering(const Sink &sink);
    void look_at_binds(const Sink &sink);
    bool wants_self_check(model::Instant now) const;
    void check_self(const Sink &sink);

    const model::PortPolicy ports_;
    const PortFilter records_; // of this network namespace
    const model::Clock &clock_;
    const std::uint32_t network_namespace_;
    DestroyEvents witness_; // first: what the hooks see ends after it listens
    Capture capture_;
    RingWakeups wakeups_;
    RingConsumer ring_;
    ImageTable images_;
    EbpfEvents events_;
    EbpfSnapshot snapshot_;
    NamespaceNames names_;
    // In which ports were taken, and of whose settings no look has told.
    std::set<std::uint32_t> namespaces_without_ports_;
    bool seeks_ports_ = false; // of one that came since the last look

    BindLooks bind_looks_;
    model::Instant next_bind_look_at_{};

    BpfCounters counted_;         // when last looked at
    std::uint64_t malformed_ = 0; // since then
    model::Instant drained_at_{};
    std::vector<DiagSocket> heard_; // from the witness, and not told
    model::Instant witness_read_at_{};
    std::optional<model::Instant> snapshot_at_;
    model::Instant next_snapshot_at_{};
    model::Instant next_lingering_at_{};
    bool has_lost_ = true;             // before the first snapshot everything is missing
    bool lacks_rows_ = true;           // until a snapshot has made up for that
    model::Instant knows_all_since_{}; // when a look made up for what events had not told
    std::uint64_t witness_overflows_ = 0;
    bool is_resumed_ = false; // since the last snapshot: holders may have changed without a word
    std::uint64_t frame_ = 0; // the last of the journal
    std::string journal_fault_;
    std::optional<model::LedgerNotes> resumed_notes_;
    ByteWriter frame_bytes_; // of one frame; a member for the sake of its memory
    std::vector<Loss> losses_;
    std::optional<SelfCheck> self_check_;
    bool is_in_doubt_ = false; // since the last self-check
};

} // namespace portd::capture
