// What the operator is told of in the log: each thing when it begins and when it is over, however
// often it happens in between. Whoever wants every single one asks for the gaps.
//
// It has no clock and decides alone; where the words go is a parameter.
#pragma once

#include "capture/source.hpp"
#include "proto/messages.hpp"
#include "system/message.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace portd {

class OperatorLog {
  public:
    using Report = system::Report;
    explicit OperatorLog(Report report = system::report);

    // Losses of a cause are over when there was none for so long.
    static constexpr auto quiet = std::chrono::seconds(60);

    // Nothing was seen before this run, from one moment to the other.
    void was_not_watching(const proto::Gap &gap);
    // `failure` of the last sample: empty if it was complete.
    void sampled(const std::string &failure);
    void lost(const std::string &cause, std::int64_t events, model::Instant now);
    void checked(const std::optional<capture::SelfCheck> &check);
    // So many of the ports from which the kernel chooses are taken.
    void counted_pool(Protocol protocol, std::size_t used, std::size_t size);
    // Time passes: what has not happened for long is over.
    void pass(model::Instant now);

  private:
    struct Losses {
        std::int64_t events = 0;
        model::Instant last{};
    };

    Report report_;
    std::string failure_;
    std::map<std::string, Losses> losing_; // by cause
    bool check_failed_ = false;
    std::map<Protocol, bool> nearly_exhausted_;
};

} // namespace portd
