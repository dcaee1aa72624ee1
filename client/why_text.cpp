#include "client/why_text.hpp"

#include "client/audit_text.hpp"
#include "client/bind_failure_text.hpp"
#include "client/coverage_text.hpp"
#include "client/format.hpp"
#include "client/lease_text.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace portd::client {
namespace {

constexpr std::size_t most_harmless = 4;
constexpr std::size_t most_times = 8;

std::string describe_bind(const proto::WhyRequest &request, Charset charset) {
    const std::string protocol =
        request.protocol ? std::string(portd::to_string(*request.protocol)) : "tcp or udp";
    if (!request.local_address)
        return protocol + " port " + std::to_string(request.port) + " at 0.0.0.0 or [::]";
    return protocol + " " + format_endpoint(*request.local_address, request.port, charset);
}

std::string describe_reason(const proto::BindObstacle &obstacle, Charset charset) {
    const std::string held = escape_text(obstacle.lease.local_address, charset);
    switch (obstacle.reason) {
    case BindReason::same_address:
        return "it has the same address";
    case BindReason::wildcard_held:
        return "it has every address (" + held + "), and so this one";
    case BindReason::wildcard_asked:
        return "you ask for every address, and so for " + held;
    case BindReason::dual_stack_held:
        return "[::] takes in every address of IPv4 too, unless its socket has IPV6_V6ONLY, "
               "which portd does not know";
    case BindReason::dual_stack_asked:
        return "you ask for [::], which takes in every address of IPv4 too; with IPV6_V6ONLY it "
               "would not";
    case BindReason::ipv6_connection:
        return "a socket that got its address of IPv6 by connecting keeps 0.0.0.0 from others, "
               "too; portd does not know whether this one did, or has IPV6_V6ONLY";
    case BindReason::other_address:
        return "another address";
    case BindReason::other_family:
        return "another family of addresses";
    case BindReason::other_protocol:
        return "another protocol";
    case BindReason::other_namespace:
        return "another network namespace";
    }
    return "";
}

std::string describe_sharing(const proto::BindObstacle &obstacle) {
    if (obstacle.shared_by.empty())
        return "";
    if (obstacle.shared_by.size() == 1)
        return "both could have it only if each of the two had set " + obstacle.shared_by[0] +
               " and they were of one user";
    return "it would pass if both sockets had set SO_REUSEADDR; portd does not know whether this "
           "one has";
}

std::string describe_holder(const proto::Lease &lease, Charset charset) {
    std::string text =
        describe_lease(lease, charset) + ", " + std::string(portd::to_string(lease.phase));
    if (lease.phase == Phase::lingering && lease.closed)
        return text + " since " + format_moment(*lease.closed, charset) +
               ": no process has it, and TIME_WAIT keeps it for 60 s or more";
    return lease.incomplete ? text : text + ", since " + format_moment(lease.opened, charset);
}

void add_obstacles(const proto::Diagnosis &diagnosis, Charset charset, Fields &fields) {
    std::int64_t told = 0;
    for (const proto::BindObstacle &obstacle : diagnosis.obstacles) {
        if (obstacle.verdict == BindVerdict::does_not_block)
            break;
        const bool is_sure = obstacle.verdict == BindVerdict::blocks;
        fields.add(is_sure ? "In the way" : "Perhaps in the way",
                   describe_holder(obstacle.lease, charset));
        fields.more("because " + describe_reason(obstacle, charset));
        if (const std::string sharing = describe_sharing(obstacle); !sharing.empty())
            fields.more(sharing);
        ++told;
    }
    if (const std::int64_t all = diagnosis.blocking + diagnosis.perhaps_blocking; all > told)
        fields.more("and " + std::to_string(all - told) + " more");
}

void add_harmless(const proto::Diagnosis &diagnosis, Charset charset, Fields &fields) {
    std::size_t told = 0;
    for (const proto::BindObstacle &obstacle : diagnosis.obstacles) {
        if (obstacle.verdict != BindVerdict::does_not_block || told == most_harmless)
            continue;
        fields.add(told == 0 ? "Not in the way" : "", describe_lease(obstacle.lease, charset) +
                                                          ": " +
                                                          describe_reason(obstacle, charset));
        ++told;
    }
    const auto left = diagnosis.not_blocking - static_cast<std::int64_t>(told);
    if (left > 0)
        fields.add(told == 0 ? "Not in the way" : "", "and " + std::to_string(left) + " more");
}

std::string describe_time(const proto::BlockedTime &time, Charset charset) {
    std::string text = format_instant(time.since_usec, Digits::seconds);
    if (!time.until_usec)
        text += " until now";
    else
        text += " for " + format_rough_span(*time.until_usec - time.since_usec);
    if (!time.certain)
        text += ", perhaps";
    text += ": " + format_process(time.process, charset);
    if (time.user)
        text += " (" + escape_text(*time.user, charset) + ")";
    text += ", " + (time.role ? std::string(portd::to_string(*time.role)) : "socket") + " at " +
            escape_text(time.local_address, charset);
    if (time.leases > 1)
        text += ", and " + counted(time.leases - 1, "other");
    return text;
}

void add_past(const proto::Diagnosis &diagnosis, Charset charset, Fields &fields) {
    const std::string since = format_instant(diagnosis.since_usec, Digits::seconds);
    if (diagnosis.leases == 0) {
        if (diagnosis.recorded)
            fields.add("Since " + since, diagnosis.withheld
                                             ? "no lease that you may see was in the way"
                                         : judge(diagnosis.coverage) == Watching::throughout
                                             ? "no lease was in the way"
                                             : "no lease that portd knows of was in the way");
        return;
    }
    std::string text = counted(diagnosis.leases, "lease") +
                       " in the way; the kernel chose the port for " +
                       std::to_string(diagnosis.automatic_leases) + " of them";
    fields.add("Since " + since, text);
    fields.add("Of", describe_programs(diagnosis.programs, charset));
    const std::size_t all = diagnosis.blocked.size();
    const std::size_t first = all - std::min(all, most_times);
    if (const auto earlier = diagnosis.blocked_earlier + static_cast<std::int64_t>(first);
        earlier > 0)
        fields.add("Would have failed", counted(earlier, "time") + " before these");
    for (std::size_t i = first; i < all; ++i)
        fields.add("Would have failed", describe_time(diagnosis.blocked[i], charset));
}

void add_failures(const proto::Diagnosis &diagnosis, Charset charset, Fields &fields) {
    for (const proto::BindFailure &failure : diagnosis.failures)
        fields.add("Refused",
                   format_instant(failure.at_usec, Digits::milliseconds) + ", " +
                       std::string(portd::to_string(failure.protocol)) + " " +
                       format_endpoint(failure.local_address, failure.local_port, charset) + ": " +
                       format_attempt(failure, charset));
    if (diagnosis.failures_earlier > 0)
        fields.add("", "and " + std::to_string(diagnosis.failures_earlier) + " before these");
}

void add_kind(std::int64_t port, const proto::Diagnosis &diagnosis, Fields &fields) {
    if (diagnosis.privileged == true)
        fields.add("Privileged", "only a program with CAP_NET_BIND_SERVICE may bind it");
    if (!diagnosis.recorded)
        fields.add("Not recorded", "portd's setting 'ports' leaves port " + std::to_string(port) +
                                       " out, so that it does not know who has it");
    if (!diagnosis.in_range) {
        fields.add("Chosen by the kernel", "not known for this network namespace");
        fields.more(when_range_is_known);
        return;
    }
    const std::string range =
        std::to_string(*diagnosis.range_low) + "-" + std::to_string(*diagnosis.range_high);
    fields.add("Chosen by the kernel",
               !*diagnosis.in_range ? "never: outside ip_local_port_range " + range
               : *diagnosis.reserved
                   ? "never: in ip_local_reserved_ports"
                   : "possible: any connection may get it (ip_local_port_range " + range + ")");
}

bool any_in_the_way(const proto::Diagnosis &diagnosis, bool lingering) {
    return std::ranges::any_of(diagnosis.obstacles, [&](const proto::BindObstacle &obstacle) {
        return obstacle.verdict != BindVerdict::does_not_block &&
               (obstacle.lease.phase == Phase::lingering) == lingering;
    });
}

} // namespace

bool is_in_the_way(const proto::Diagnosis &diagnosis) {
    return diagnosis.blocking > 0 || diagnosis.perhaps_blocking > 0 || diagnosis.privileged == true;
}

std::string describe_verdict(const proto::WhyRequest &request, const proto::Diagnosis &diagnosis,
                             Charset charset) {
    const std::string bind = "A bind of " + describe_bind(request, charset);
    if (diagnosis.blocking > 0)
        return bind + " fails now: the address is in use (EADDRINUSE).";
    if (diagnosis.perhaps_blocking > 0)
        return bind + " may fail now: the address may be in use (EADDRINUSE).";
    if (diagnosis.privileged == true)
        return bind + " fails without a privilege (EACCES)" +
               (diagnosis.recorded ? "; nothing else is in the way."
                                   : "; portd does not know whether anybody has the port.");
    const bool is_sure = diagnosis.recorded && judge(diagnosis.coverage) == Watching::throughout;
    return is_sure ? "Nothing is in the way of a bind of " + describe_bind(request, charset) + "."
                   : "portd knows of nothing that is in the way of a bind of " +
                         describe_bind(request, charset) + ".";
}

std::vector<std::string> advice_of(const proto::WhyRequest &request,
                                   const proto::Diagnosis &diagnosis,
                                   const std::optional<OtherNamespace> &in, Charset charset) {
    const std::string port = std::to_string(request.port);
    const std::string place = in_namespace(in, charset);
    std::vector<std::string> advice;
    if (diagnosis.privileged == true)
        advice.push_back(
            "give the service CAP_NET_BIND_SERVICE (in its unit: "
            "AmbientCapabilities=CAP_NET_BIND_SERVICE), or" +
            place + ":\n" +
            setting_command("net.ipv4.ip_unprivileged_port_start=" + port, in, charset));
    if (diagnosis.automatic_leases > 0 && diagnosis.in_range == true &&
        diagnosis.reserved == false) {
        const std::string before = escape_text(diagnosis.reserved_ports.value_or(""), charset);
        advice.push_back("keep the kernel from choosing it" + place + ":\n" +
                         setting_command("net.ipv4.ip_local_reserved_ports=" +
                                             (before.empty() ? "" : before + ",") + port,
                                         in, charset));
    }
    if (any_in_the_way(diagnosis, true) && !any_in_the_way(diagnosis, false))
        advice.push_back("wait until it is free; or set SO_REUSEADDR before bind(2), which helps "
                         "where the socket that has it had set it, too");
    if (any_in_the_way(diagnosis, false)) {
        const bool is_inside = diagnosis.in_range == true;
        advice.push_back("end what has it, or take another port" +
                         (is_inside ? ", one outside of " + std::to_string(*diagnosis.range_low) +
                                          "-" + std::to_string(*diagnosis.range_high)
                                    : std::string()));
    }
    return advice;
}

Fields describe_diagnosis(const proto::WhyRequest &request, const proto::Diagnosis &diagnosis,
                          const std::optional<OtherNamespace> &in, Charset charset) {
    Fields fields;
    add_kind(request.port, diagnosis, fields);
    add_obstacles(diagnosis, charset, fields);
    add_harmless(diagnosis, charset, fields);
    add_past(diagnosis, charset, fields);
    add_failures(diagnosis, charset, fields);
    std::string name = "What helps";
    for (const std::string &sentence : advice_of(request, diagnosis, in, charset))
        fields.add(std::exchange(name, ""), sentence);
    return fields;
}

} // namespace portd::client
