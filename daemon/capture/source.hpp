// A capture tier: where observations come from. One interface, so that the daemon does not care.
//
// A source lives in the capture thread. The owner watches its descriptors, calls read_events() when
// one is readable, and sample() on its timer; both hand every observation to the sink before they
// return.
#pragma once

#include "model/bind_failure.hpp"
#include "model/ledger_notes.hpp"
#include "model/observation.hpp"
#include "model/port_policy.hpp"
#include "model/ring_mark.hpp"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace portd::capture {

using Sink = std::function<void(const model::Observation &)>;

// Which ports to report; the others never leave the source.
using PortFilter = std::function<bool(std::uint16_t port)>;

// Whether the caller comes straight from waiting (an event that is there now has just happened), or
// has been busy since it last looked (it may have happened at any time since).
enum class Promptness { prompt, after_work };

// Something was missed between two instants; how many events is not known unless given.
struct Loss {
    std::string cause; // a gap cause of io.portd.Ports
    model::Instant since{};
    model::Instant until{};
    std::optional<std::int64_t> events;
};

struct Sample {
    model::Instant began{};
    std::string failure; // empty: every table was read to its end
};

// What hooks in the kernel issued, since they were attached.
struct EventAccount {
    std::uint64_t issued = 0;
    std::uint64_t received = 0;
    std::uint64_t lost = 0;
    std::uint64_t witness_overflows = 0; // the witness beside them missed some ends
};

// The last time the source made sure that it sees what happens, by looking for something that it
// did itself.
struct SelfCheck {
    model::Instant at{};
    bool passed = false;
    std::string detail; // one sentence
};

struct NamespaceName {
    std::uint32_t inode = 0;
    std::string name; // empty: it has none any more
    model::Instant since{};
};

class Source {
  public:
    virtual ~Source() = default;

    virtual CaptureTier tier() const = 0;
    // What limits this source, for the operator: one sentence each.
    virtual std::vector<std::string> limitations() const = 0;
    virtual std::vector<int> descriptors() const = 0;
    // How often to call read_events() where nothing is readable; zero: never.
    virtual model::Duration reading_period() const { return {}; }

    virtual void read_events(Promptness promptness, const Sink &sink) = 0;
    virtual Sample sample(const Sink &sink) = 0;

    // Losses since the last call.
    virtual std::vector<Loss> take_losses() = 0;
    virtual std::vector<model::BindFailure> take_bind_failures() { return {}; }
    // Of other network namespaces, as they become known.
    virtual std::vector<NamespaceName> take_namespace_names() { return {}; }
    // What other network namespaces say of their ports, of all of which that is known; nothing if
    // that is as it was at the last call.
    virtual std::optional<model::KnownPorts> take_foreign_ports() { return {}; }

    // What an earlier instance noted of its ledger, where this one goes on without a hole after
    // what is stored. Once only.
    virtual std::optional<model::LedgerNotes> take_resumed_notes() { return {}; }
    // What is to outlive this process, by name; the next instance gets it with Request::kept.
    virtual std::vector<std::pair<std::string, int>> descriptors_to_keep() const { return {}; }
    // Comes before each commit, after all that the source has was taken: notes what the next
    // instance will have to know beside what is stored. The mark is to be stored in that commit.
    virtual std::optional<model::RingMark> note(const model::LedgerNotes &) { return {}; }
    // After a commit: whether it is time to note everything anew, and that.
    virtual bool wants_all_notes() const { return false; }
    virtual void note_all(const model::LedgerNotes &) {}

    // A socket goes on whose last known holder has ended: the next sample is to find who has it.
    virtual void seek_holders() {}

    // Sockets ended of which nothing had been told: others may be there. The next sample is to look at
    // all, and to make sure that what happens is seen.
    virtual void doubt() {}

    // Whether room is getting short for what comes, until what was handed over is stored.
    virtual bool needs_acknowledgement() const { return false; }
    // All that was handed over so far has been stored.
    virtual void acknowledge() {}

    virtual std::optional<EventAccount> events() const { return std::nullopt; }
    virtual std::optional<SelfCheck> self_check() const { return std::nullopt; }
};

} // namespace portd::capture
