// The capture thread's work apart from waiting: lets the source look, gives what it saw to the
// ledger, stores what changed, and keeps the account of when portd was watching.
//
// Everything it is given lives longer than it does. Nothing here waits.
#pragma once

#include "backlog.hpp"
#include "capture/tiers.hpp"
#include "live_status.hpp"
#include "model/ledger.hpp"
#include "operator_log.hpp"
#include "settings.hpp"
#include "store/writer.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portd {

class Recorder {
  public:
    // `opened` tells how the source was chosen.
    Recorder(const Settings &settings, const model::Clock &clock, const capture::Opened &opened,
             store::Writer &writer, LiveStatus &live);

    // Whether a commit is due, and whether it is now.
    bool has_news() const { return has_news_; }
    bool is_pressed() const { return source_.needs_acknowledgement(); }

    void read_events(capture::Promptness promptness);
    void sample();
    void commit();
    // The last commit of this run.
    void finish();

  private:
    void take_over();
    void follow_namespace_ports();
    void know_ports(model::KnownPorts foreign);
    void account(const capture::Sample &sample);
    void account_misses(std::optional<model::Instant> since);
    void take_losses();
    void record(const capture::Loss &loss);
    void close_gap(const std::string &cause, model::Instant since, model::Instant until,
                   std::optional<std::int64_t> lost);
    void publish();
    void publish_events(proto::Status &status);

    const Settings &settings_;
    const model::Clock &clock_;
    capture::Source &source_;
    const bool keeps_notes_; // for the next run
    store::Writer &writer_;
    LiveStatus &live_;
    OperatorLog log_;
    const std::vector<std::string> tier_reasons_;
    const std::string not_watching_; // the cause of the gap before this run
    model::NamespacePorts ports_;
    std::shared_ptr<const model::KnownPorts> known_ports_;
    model::Instant next_ports_at_{};
    model::Ledger ledger_;
    model::LedgerNotes notes_; // of one commit; a member for the sake of its memory
    capture::Sink sink_;

    const std::uint32_t network_namespace_;
    const model::Instant started_;
    std::optional<model::Instant> watching_since_;
    std::optional<model::Instant> watched_until_; // beginning of the last complete sample
    std::string failure_;                         // of the last sample
    std::vector<std::string> limitations_;        // of the source, as last said
    Backlog backlog_;
    std::map<std::string, std::int64_t> losses_;
    std::int64_t samples_ = 0;
    std::int64_t open_at_start_ = 0;
    std::int64_t bind_failures_told_ = 0;
    std::int64_t gaps_recorded_ = 0;
    std::uint64_t unseen_sockets_ = 0; // when last accounted for
    std::vector<proto::PoolUse> pools_;
    capture::EventAccount counted_; // when last published
    model::Instant counted_at_{};
    std::int64_t events_per_second_ = 0;
    bool has_news_ = false;
};

} // namespace portd
