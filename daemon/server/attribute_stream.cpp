#include "attribute_stream.hpp"

#include "model/bind_failure.hpp"
#include "proto/codec.hpp"
#include "proto/message_text.hpp"
#include "replies.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace portd::server {
namespace {

constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
// Beside the causes of gaps.
constexpr const char *future = "future";
constexpr std::size_t most_clock_steps = 16;

// A gap without a begin or an end lies on both sides of all.
bool touches(const model::FlowEnd &end, const proto::Gap &gap) {
    return gap.since_usec.value_or(end.since_us) <= end.until_us &&
           gap.until_usec.value_or(end.until_us) >= end.since_us;
}

bool touches(const model::FlowEnd &end, const proto::CoverageInterval &watched) {
    return watched.since_usec <= end.until_us && watched.until_usec >= end.since_us;
}

// An end as it is written: address and port.
struct WrittenEnd {
    const std::optional<std::string> &address;
    const char *name;
    const std::optional<std::int64_t> &port;
};

std::optional<std::uint16_t> narrow(const std::optional<std::int64_t> &port) {
    return port ? std::optional(static_cast<std::uint16_t>(*port)) : std::nullopt;
}

class Reading {
  public:
    explicit Reading(std::string path) : path_(std::move(path)) {}

    std::optional<model::Address> address(const WrittenEnd &end) {
        if (!end.address)
            return std::nullopt;
        const auto range = model::parse_address_range(*end.address);
        if (range && range->first == range->last)
            return model::unmapped(range->first);
        fault = proto::InvalidField{path_ + end.name, "is not an address"};
        return std::nullopt;
    }

    std::optional<SoughtEnd> end(SoughtEnd common, const WrittenEnd &local,
                                 const WrittenEnd &peer) {
        common.local = address(local);
        common.peer = address(peer);
        common.peer_port = narrow(peer.port);
        if (!local.port)
            return std::nullopt;
        common.port = *narrow(local.port);
        return common;
    }

    std::optional<proto::InvalidField> fault;

  private:
    std::string path_;
};

const model::AddressRange loopback_v4 = *model::parse_address_range("127.0.0.0/8");
const model::AddressRange loopback_v6 = *model::parse_address_range("::1");

} // namespace

std::variant<AttributeQuestion, proto::InvalidField>
question_of(const proto::AttributeRequest &request) {
    AttributeQuestion question;
    question.network_namespace = request.network_namespace;
    question.local_addresses = {loopback_v4, loopback_v6};
    for (const std::string &text : request.local_addresses) {
        const auto range = model::parse_address_range(text);
        if (!range)
            return proto::InvalidField{
                "localAddresses", "has what is neither an address nor an address/prefix length"};
        question.local_addresses.push_back(*range);
    }
    for (std::size_t i = 0; i < request.flows.size(); ++i) {
        const proto::Flow &flow = request.flows[i];
        const std::string path = "flows[" + std::to_string(i) + "]";
        if (!flow.source_port && !flow.destination_port)
            return proto::InvalidField{path, "has no port"};
        const bool is_translated = flow.translated_source_port.has_value();
        for (const bool part : {flow.translated_source_address.has_value(),
                                flow.translated_destination_address.has_value(),
                                flow.translated_destination_port.has_value()})
            if (part != is_translated)
                return proto::InvalidField{path, "has only a part of its translation"};
        SoughtEnd common;
        common.at_us = flow.at_usec;
        common.duration_us = flow.duration_usec.value_or(0);
        common.within_us = request.within_usec.value_or(0);
        common.protocol = flow.protocol;
        const WrittenEnd source{flow.source_address, "sourceAddress", flow.source_port};
        const WrittenEnd destination{flow.destination_address, "destinationAddress",
                                     flow.destination_port};
        const WrittenEnd seen_source{flow.translated_source_address, "translatedSourceAddress",
                                     flow.translated_source_port};
        const WrittenEnd seen_destination{flow.translated_destination_address,
                                          "translatedDestinationAddress",
                                          flow.translated_destination_port};
        if ((flow.source_address && !flow.source_port) ||
            (flow.destination_address && !flow.destination_port))
            question.half_told.insert(i);
        Reading reading(path + ".");
        question.flows.push_back({reading.end(common, source, destination),
                                  is_translated ? reading.end(common, seen_destination, seen_source)
                                                : reading.end(common, destination, source)});
        if (reading.fault)
            return *reading.fault;
    }
    return question;
}

AttributeStream::AttributeStream(AttributeQuestion question, const Caller &caller,
                                 std::int64_t now_us)
    : question_(std::move(question)), caller_(caller), latest_us_(now_us), progress_(now_us) {
    for (const auto &flow : question_.flows) {
        auto &places = ends_of_.emplace_back(std::array{none, none});
        for (std::size_t side = 0; side < flow.size(); ++side) {
            if (!flow[side])
                continue;
            places[side] = ends_.size();
            ends_.push_back(flow[side]->sought());
            sought_.push_back(&*flow[side]);
        }
    }
    findings_.resize(ends_.size());
}

std::string AttributeStream::next(model::History &history, std::int64_t now_us) {
    try {
        if (look(history))
            return progress_.due<proto::AttributeReply>(now_us);
        is_over_ = true;
        return tell(history);
    } catch (const std::exception &fault) {
        is_over_ = true;
        return framed(failure(proto::errors::store_unavailable, "reason", fault.what()));
    }
}

// False once all was looked at.
bool AttributeStream::look(model::History &history) {
    if (ends_.empty())
        return false;
    model::FlowPage page = history.leases_of_flows(ends_, place_, caller_.limited_to());
    progress_.count(page.examined);
    for (model::LeaseOfFlows &found : page.leases) {
        const auto lease = visible(std::move(found.lease), caller_, OthersOpen::withheld);
        if (!lease || (question_.network_namespace &&
                       lease->network_namespace != *question_.network_namespace))
            continue;
        for (const std::size_t end : found.ends)
            findings_[end].add(*lease, *sought_[end], question_.local_addresses);
    }
    place_ = page.next;
    return page.next.has_value();
}

std::string AttributeStream::tell(model::History &history) {
    proto::Coverage watched;
    if (!ends_.empty()) {
        const auto since = std::ranges::min_element(ends_, {}, &model::FlowEnd::since_us);
        const auto until = std::ranges::max_element(ends_, {}, &model::FlowEnd::until_us);
        watched = history.coverage(since->since_us, until->until_us);
    }
    if (std::ranges::any_of(ends_, [this](const auto &end) { return end.since_us > latest_us_; }))
        for (const proto::ClockStep &step : history.newest_clock_steps(most_clock_steps))
            latest_us_ = std::max(latest_us_, step.from_usec);
    proto::AttributeReply reply;
    ProcessTable processes;
    for (std::size_t flow = 0; flow < question_.flows.size(); ++flow)
        reply.flows.push_back(attribution(flow, watched, processes));
    reply.processes = processes.take();
    std::string message = proto::format_last(encode_text(reply));
    message.push_back('\0');
    return message;
}

proto::FlowAttribution AttributeStream::attribution(std::size_t flow,
                                                    const proto::Coverage &watched,
                                                    ProcessTable &processes) const {
    proto::FlowAttribution told;
    told.flow = static_cast<std::int64_t>(flow);
    if (is_to_come(flow)) {
        told.who.confidence = Confidence::unwatched;
        told.who.gaps = {future};
        return told;
    }
    const auto &[source, destination] = ends_of_[flow];
    // Whoever does not see all leases is not told of one that only might be it.
    const auto is_told = [&](std::size_t end) {
        return end != none &&
               (caller_.sight == Sight::everything || findings_[end].excludes_others());
    };
    const auto is_here = [&](std::size_t end) {
        return is_told(end) && findings_[end].is_of_this_machine();
    };
    const auto found = [&](std::size_t end) {
        return is_told(end)
                   ? findings_[end].attribution(processes, connections_of(*sought_[end], watched))
                   : std::nullopt;
    };
    if (is_here(source) || is_here(destination)) {
        told.side = is_here(source) ? FlowSide::source : FlowSide::destination;
        told.who = *found(is_here(source) ? source : destination);
        if (is_here(source) && is_here(destination))
            told.responder = found(destination);
        return told;
    }
    // Neither end has been found. What may have been at one of them is told rather than that nobody
    // was at the other.
    std::optional<proto::EndAttribution> least;
    for (const std::size_t end : {source, destination}) {
        if (end == none)
            continue;
        auto one = found(end);
        if (!one)
            one = nobody(*sought_[end], watched);
        if (!least || one->confidence < least->confidence)
            least = std::move(one);
        else if (one->confidence == Confidence::not_recorded && one->ports != least->ports)
            std::ranges::copy(one->ports, std::back_inserter(least->ports));
    }
    told.who = *least;
    if (told.who.confidence == Confidence::nobody && question_.half_told.contains(flow))
        told.who.confidence = Confidence::unknown; // at the other end there may have been somebody
    return told;
}

// An open lease is no answer for a time that has not come, though nothing says that it ends before.
bool AttributeStream::is_to_come(std::size_t flow) const {
    return std::ranges::any_of(ends_of_[flow], [this](std::size_t end) {
        return end != none && ends_[end].since_us > latest_us_;
    });
}

// Hooks tell of each; whoever does not see all leases may not see it. Of what has hardly gone by
// one may still be told: that makes no listener its process.
EveryConnection AttributeStream::connections_of(const SoughtEnd &end,
                                                const proto::Coverage &watched) const {
    const model::FlowEnd sought = end.sought();
    const bool has_gap = std::ranges::any_of(
        watched.gaps, [&](const proto::Gap &gap) { return touches(sought, gap); });
    const bool was_sampled = std::ranges::any_of(watched.intervals, [&](const auto &one) {
        return one.source != CaptureTier::ebpf && touches(sought, one);
    });
    const bool was_hooked = std::ranges::any_of(watched.intervals, [&](const auto &one) {
        return one.source == CaptureTier::ebpf && touches(sought, one);
    });
    const bool tells_both_ends = end.local && end.peer && end.peer_port;
    return tells_both_ends && !has_gap && !was_sampled && was_hooked &&
                   caller_.sight == Sight::everything
               ? EveryConnection::is_known
               : EveryConnection::may_be_missing;
}

// procfs sees only what lives while it looks.
proto::EndAttribution AttributeStream::nobody(const SoughtEnd &end,
                                              const proto::Coverage &watched) const {
    const model::FlowEnd sought = end.sought();
    proto::EndAttribution told;
    if (caller_.sight == Sight::own) {
        told.confidence = Confidence::withheld;
        return told;
    }
    std::set<std::string> causes;
    for (const proto::Gap &gap : watched.gaps)
        if (touches(sought, gap))
            causes.insert(gap.cause);
    const bool was_seen =
        std::ranges::any_of(watched.intervals, [&](const proto::CoverageInterval &one) {
            return one.source != CaptureTier::procfs && touches(sought, one);
        });
    told.gaps.assign(causes.begin(), causes.end());
    if (!causes.empty() || !was_seen)
        told.confidence = Confidence::unwatched;
    else if (!question_.records(end.port)) {
        told.confidence = Confidence::not_recorded;
        told.ports = {end.port};
    }
    return told;
}

} // namespace portd::server
