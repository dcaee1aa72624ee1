#include "operator_log.hpp"

#include "proto/vocabulary.hpp"

#include <spdlog/spdlog.h>
#include <utility>

namespace portd {
namespace {

using system::Message;

// Of a hundred ports, from when on they are short, and until when.
constexpr std::size_t short_from = 90;
constexpr std::size_t short_until = 80;

} // namespace

OperatorLog::OperatorLog(Report report) : report_(std::move(report)) {}

void OperatorLog::was_not_watching(const proto::Gap &gap) {
    const std::int64_t ms = (gap.until_usec.value_or(0) - gap.since_usec.value_or(0)) / 1000;
    report_(Message::gap_closed,
            "watching again after " + std::to_string(ms) + " ms without (" + gap.cause +
                "); a gap is on record",
            {{"PORTD_CAUSE", gap.cause}});
}

void OperatorLog::sampled(const std::string &failure) {
    if (failure == failure_)
        return;
    if (failure.empty())
        report_(Message::gap_closed, "sampling is complete again; a gap is on record",
                {{"PORTD_CAUSE", "scanFailed"}});
    else if (failure_.empty())
        report_(Message::gap_opened,
                "sampling is incomplete: " + failure + "; what ends meanwhile is noticed later",
                {{"PORTD_CAUSE", "scanFailed"}});
    failure_ = failure;
}

void OperatorLog::lost(const std::string &cause, std::int64_t events, model::Instant now) {
    auto &losses = losing_[cause];
    if (losses.events == 0)
        report_(Message::gap_opened, "events are being lost (" + cause + ")",
                {{"PORTD_CAUSE", cause}});
    losses.events += events;
    losses.last = now;
}

void OperatorLog::checked(const std::optional<capture::SelfCheck> &check) {
    const bool failed = check && !check->passed;
    if (failed && !check_failed_)
        report_(Message::self_check_failed, "the self-check failed: " + check->detail, {});
    if (!failed && check_failed_)
        spdlog::info("the self-check passes again");
    check_failed_ = failed;
}

void OperatorLog::counted_pool(Protocol protocol, std::size_t used, std::size_t size) {
    bool &is_short = nearly_exhausted_[protocol];
    const std::string name(to_string(protocol));
    const std::string figures =
        std::to_string(used) + " of " + std::to_string(size) + " for " + name;
    if (!is_short && size > 0 && used * 100 >= size * short_from) {
        is_short = true;
        report_(Message::pool_nearly_exhausted,
                "dynamic ports are running out: " + figures + " are taken",
                {{"PORTD_PROTOCOL", name},
                 {"PORTD_USED", std::to_string(used)},
                 {"PORTD_POOL", std::to_string(size)}});
    } else if (is_short && used * 100 < size * short_until) {
        is_short = false;
        spdlog::info("there are dynamic ports again: {} are taken", figures);
    }
}

void OperatorLog::pass(model::Instant now) {
    for (auto losing = losing_.begin(); losing != losing_.end();) {
        const auto &[cause, losses] = *losing;
        if (now - losses.last < quiet) {
            ++losing;
            continue;
        }
        report_(Message::gap_closed,
                "no events are lost any more (" + cause + "); " + std::to_string(losses.events) +
                    " were, and the gaps are on record",
                {{"PORTD_CAUSE", cause}, {"PORTD_LOST", std::to_string(losses.events)}});
        losing = losing_.erase(losing);
    }
}

} // namespace portd
