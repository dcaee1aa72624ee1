// portd-ctl map: the range of ports as a picture.
#include "client/coverage_text.hpp"
#include "client/empty_answer.hpp"
#include "client/exchange.hpp"
#include "client/format.hpp"
#include "client/lease_filter.hpp"
#include "client/lease_text.hpp"
#include "client/map_classes.hpp"
#include "client/network_setting.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace portd::client {
namespace {

constexpr std::int64_t churn_usec = 3'600'000'000;
constexpr std::size_t width_without_terminal = 80;

struct Question {
    MapBy by = MapBy::program;
    OptionReader::PortRange range;
    std::optional<std::int64_t> at_usec; // absent: now
    std::int64_t now_usec = 0;
    proto::LeaseFilter filter;

    std::int64_t moment() const { return at_usec.value_or(now_usec); }
};

Question read(const Typed &typed, OptionReader &reader, std::int64_t now_usec) {
    static const std::array<std::string, 3> words{"program", "age", "churn"};
    Question question;
    question.by = static_cast<MapBy>(reader.word("--by", typed.by, words).value_or(0));
    question.range = reader.port_range("--range", typed.range).value_or(OptionReader::PortRange{});
    question.at_usec = reader.past_time("--at", typed.at);
    question.now_usec = now_usec;
    question.filter.protocol = reader.protocol(typed.protocol);
    if (question.at_usec)
        read_namespace(typed.network_namespace, NamespaceName::of_history, question.filter, reader);
    else // a name that nobody has now would be one of a namespace without a lease
        question.filter.network_namespace = read_inode(typed.network_namespace, reader);
    return question;
}

// What is open now, what was at that moment, or what there was in the hour before.
std::pair<std::string_view, nlohmann::json> call_of(const Question &question) {
    if (question.by != MapBy::churn && !question.at_usec) {
        proto::ListRequest request;
        static_cast<proto::LeaseFilter &>(request) = question.filter;
        return {proto::methods::list, proto::encode(request)};
    }
    proto::HistoryRequest request;
    static_cast<proto::LeaseFilter &>(request) = question.filter;
    if (question.by == MapBy::churn) {
        request.since_usec = question.moment() - churn_usec;
        request.until_usec = question.at_usec;
    } else {
        request.at_usec = question.at_usec;
    }
    return {proto::methods::history, proto::encode(request)};
}

bool counts(const proto::Lease &lease, const Question &question) {
    if (question.by == MapBy::churn || !question.at_usec)
        return true;
    const Standing standing = standing_at(lease, *question.at_usec);
    return standing != Standing::before && standing != Standing::after;
}

// Of what counts: whether it had the port then.
bool is_sure(const proto::Lease &lease, const Question &question) {
    return question.by == MapBy::churn || !question.at_usec ||
           standing_at(lease, *question.at_usec) != Standing::possibly;
}

// What an answer does not tell of the ports that look free in it.
struct Doubt {
    LeftOut left_out;
    Watching watching = Watching::throughout;
    bool withheld = false;     // leases of others are left out
    std::int64_t possibly = 0; // ports that only possibly had a lease
};

Doubt doubt_of(const Question &question, const proto::LeaseReply &last, LeftOut left_out) {
    // That others have a port now is shown to everybody.
    const bool is_now = question.by != MapBy::churn && !question.at_usec;
    return {std::move(left_out),
            judge(*last.coverage, question.by == MapBy::churn ? std::nullopt : question.at_usec),
            last.withheld && !is_now};
}

// ", portd …": why some of the others may be in use, too.
std::string describe_doubt(const Doubt &doubt, std::int64_t ports) {
    std::string text;
    if (doubt.left_out.count > 0)
        text += ", portd records " +
                (doubt.left_out.count == ports
                     ? "none of them"
                     : "only " + std::to_string(ports - doubt.left_out.count) + " of them");
    if (doubt.watching != Watching::throughout)
        text += doubt.watching == Watching::never ? ", portd was not watching then"
                                                  : ", portd did not see all of that time";
    if (doubt.withheld)
        text += ", those of other users are withheld from you";
    return text;
}

std::string describe_map(const Question &question, const MapClasses &classes, const Doubt &doubt,
                         const MapSize &size) {
    const auto ports = question.range.high - question.range.low + 1;
    std::string text = "Ports " + std::to_string(question.range.low) + "-" +
                       std::to_string(question.range.high) + ", ";
    const std::string when =
        question.at_usec ? format_instant_in_zone(*question.at_usec) : std::string("now");
    const std::string count = std::to_string(classes.used()) + " of " + std::to_string(ports);
    const std::string why = describe_doubt(doubt, ports);
    if (question.by == MapBy::churn)
        text += "in the hour before " + when + ": " + count +
                (why.empty() ? " were taken" : " are known to have been taken");
    else
        text += (question.at_usec ? "at " : "") + when + ": " + count +
                (why.empty() ? " are not free" : " are known not to be free");
    if (doubt.possibly > 0)
        text += ", " + std::to_string(doubt.possibly) + " of them possibly";
    if (!why.empty())
        text += ";" + why.substr(1);
    return text + ". A cell is " +
           (size.ports_per_cell == 1 ? "a port" : std::to_string(size.ports_per_cell) + " ports") +
           ".";
}

// Where the range of the network namespace is not known, that of portd's own is drawn.
void say_whose_range(const proto::Status &status, Session &session) {
    session.remark("These are the ports that the kernel chooses from where portd is "
                   "(ip_local_port_range " +
                   std::to_string(status.range_low) + "-" + std::to_string(status.range_high) +
                   "): portd does not know the range of that network namespace; see --range. " +
                   when_range_is_known);
}

void print(const Question &question, const MapClasses &classes, const Doubt &doubt,
           Session &session) {
    const Look &look = session.look();
    const Palette palette = choose_palette(look.color, look.charset);
    const PortMap map = classes.map();
    const MapSize size = size_of(map, look.width.value_or(width_without_terminal), palette);
    session.sentence(describe_map(question, classes, doubt, size));
    for (const std::string &line : draw(map, size, palette))
        session.output().line(line);
    for (const std::string &line : legend(map, palette))
        session.output().line(line);
}

// Those ports look free, and nobody knows whether they are.
void say_left_out(const Question &question, const LeftOut &left_out, Session &session) {
    if (left_out.count == 0)
        return;
    const auto all = question.range.high - question.range.low + 1;
    session.remark(
        "portd cannot tell of " +
        (left_out.count == all
             ? "any of these ports"
             : std::to_string(left_out.count) + " of these ports (" + left_out.ports + ")") +
        ": its setting 'ports' does not record " + (left_out.count == 1 ? "it." : "them."));
}

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    Question question = read(typed, reader, session.now_usec());
    if (reader.error()) {
        session.error(*reader.error());
        return ExitStatus::usage;
    }
    Connection connection = session.connect();
    const auto status = decoded<proto::Status>(
        ask_once(connection, proto::methods::status, nlohmann::json::object()));
    if (!question.filter.network_namespace && !question.filter.network_namespace_name)
        question.filter.network_namespace = status.network_namespace;
    // A name of the past may have been that of any network namespace.
    const auto inode = question.filter.network_namespace;
    const auto known_range = inode ? local_range(status, *inode) : std::nullopt;
    if (!typed.range && known_range)
        question.range = {known_range->first, known_range->second};
    else if (!typed.range)
        question.range = {status.range_low, status.range_high};
    const auto [method, request] = call_of(question);
    if (session.wants_json()) {
        const Printed printed = print_leases_json(connection, method, request, session);
        return status_of(printed.entries == Entries::some, printed.complete, typed);
    }

    MapClasses classes(question.by, question.range.low, question.range.high, question.moment());
    // It was that of portd's own if a lease says so.
    bool is_own = false;
    std::map<std::int64_t, bool> surely; // by port: of what had it at that moment
    const auto last =
        ask_leases(connection, method, request, session, Rows::held, [&](Entry entry) {
            const auto *lease = std::get_if<proto::Lease>(&entry);
            if (lease && question.filter.network_namespace_name)
                is_own = is_own || lease->network_namespace == status.network_namespace;
            if (!lease || !counts(*lease, question))
                return;
            classes.add(*lease, session.charset());
            if (lease->local_port >= question.range.low && lease->local_port <= question.range.high)
                surely[lease->local_port] |= is_sure(*lease, question);
        });
    const auto left_out = left_out_ports(status, inode.value_or(status.network_namespace),
                                         question.range.low, question.range.high);
    Doubt doubt = doubt_of(question, last, left_out);
    doubt.possibly = std::ranges::count_if(surely, [](const auto &one) { return !one.second; });
    print(question, classes, doubt, session);
    if (!typed.range && !known_range && !is_own)
        say_whose_range(status, session);
    say_left_out(question, left_out, session);
    for (const std::string &remark : gap_remarks(*last.coverage, session.charset()))
        session.remark(remark);
    if (last.withheld)
        session.remark(withheld_remark);
    return status_of(classes.used() > 0, last.coverage->complete && left_out.count == 0, typed);
}

constexpr std::array options{
    VerbOption{"--at", "TIME", "as it was then (default: now)", &Typed::at},
    VerbOption{"--by", "WHAT", "color by program, age or churn (default program)", &Typed::by},
    VerbOption{"--range", "LOW-HIGH",
               "these ports (default: those that the kernel chooses from there)", &Typed::range},
    VerbOption{"--proto", "tcp|udp", "only this protocol", &Typed::protocol},
    VerbOption{"--netns", "NETNS", "the network namespace, by inode or name (default: portd's own)",
               &Typed::network_namespace},
    strict_option,
};

constexpr const char *notes = R"(
Each cell is a few ports, in the order of their numbers; it has the color of what most
of those are that are not free, and a dot or a dark cell is free. Age is for how long
a port has been held, churn how often it was taken in the hour before. At the left of
each line is its first port. Without color, or where the locale is not UTF-8,
characters take the place of colors. With --json: the leases that the picture is of.

Examples:
  portd-ctl map
  portd-ctl map --at '2026-11-22 03:12:05' --by age
  portd-ctl map --range 49152-65535 --by churn
)";

} // namespace

const Verb map_verb{
    "map", "Show the range of ports as a picture", PortArgument::none, options, notes, run};

} // namespace portd::client
