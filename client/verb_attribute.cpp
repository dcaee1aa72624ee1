// portd-ctl attribute [FILE]: whose the flows of another program's log were.
#include "client/attribution_text.hpp"
#include "client/exchange.hpp"
#include "client/flow_asker.hpp"
#include "client/flow_finder.hpp"
#include "client/flow_log.hpp"
#include "client/lease_filter.hpp"
#include "client/line_source.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <array>
#include <memory>
#include <set>

namespace portd::client {
namespace {

using nlohmann::json;

constexpr std::int64_t usual_within_usec = 1'000'000;
constexpr std::size_t most_addresses = 96;

struct Question {
    proto::AttributeRequest request;
    std::optional<LogFormat> format; // absent: as the first line looks
};

Question read(const Typed &typed, OptionReader &reader) {
    Question question;
    question.request.within_usec =
        reader.span("--within", typed.within).value_or(usual_within_usec);
    question.request.network_namespace = read_inode(typed.network_namespace, reader);
    if (const auto place = reader.word("--format", typed.log_format, log_formats))
        question.format = static_cast<LogFormat>(*place);
    for (std::string left = typed.local.value_or(""); !left.empty();) {
        const std::string one = left.substr(0, left.find(','));
        left.erase(0, one.size() + 1);
        if (const auto range = reader.addresses("--local", one))
            question.request.local_addresses.push_back(*range);
    }
    return question;
}

// What this machine's interfaces have now.
void add_own_addresses(std::vector<std::string> &addresses) {
    ifaddrs *first = nullptr;
    if (::getifaddrs(&first) != 0)
        return;
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs *)> interfaces(first, ::freeifaddrs);
    std::set<std::string> found;
    for (const ifaddrs *one = first; one; one = one->ifa_next) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        if (!one->ifa_addr)
            continue;
        const void *bytes = nullptr;
        if (one->ifa_addr->sa_family == AF_INET)
            bytes = &reinterpret_cast<const sockaddr_in *>(one->ifa_addr)->sin_addr;
        else if (one->ifa_addr->sa_family == AF_INET6)
            bytes = &reinterpret_cast<const sockaddr_in6 *>(one->ifa_addr)->sin6_addr;
        if (bytes && ::inet_ntop(one->ifa_addr->sa_family, bytes, text.data(), text.size()))
            found.insert(text.data());
    }
    for (const std::string &address : found)
        if (addresses.size() < most_addresses)
            addresses.push_back(address);
}

// A terminal gets nothing that could drive it.
std::string shown(const std::string &line, const Session &session) {
    if (!session.look().width)
        return line;
    std::string safe;
    for (std::size_t begin = 0;;) {
        const std::size_t tab = line.find('\t', begin);
        safe += escape_text(std::string_view(line).substr(begin, tab - begin), session.charset());
        if (tab == std::string::npos)
            return safe;
        safe += '\t';
        begin = tab + 1;
    }
}

class Attributing {
  public:
    Attributing(Question question, Session &session, Connection &connection)
        : format_(question.format),
          session_(session),
          progress_(session.progress()),
          finder_(session, *question.request.within_usec, question.request.network_namespace,
                  [this](LogRow row) { asker_.add(std::move(row)); }),
          asker_(connection, std::move(question.request),
                 [this](const LogRow &row, const proto::FlowAttribution *flow,
                        const std::vector<proto::Process> &processes) {
                     print(row, flow, processes);
                 }) {}

    void read_all(const std::string &file) {
        LineSource source(file);
        for (std::string line;;) {
            if (source.would_wait()) {
                finish();
                session_.output().flush();
            }
            if (!source.next(line))
                break;
            if (!log_ && !format_)
                format_ = detect_format(line);
            if (!log_ && format_)
                log_ = open_log(*format_, added_columns(), session_.now_usec());
            LogRow row =
                log_ ? log_->read(std::move(line)) : LogRow{LogRow::Kind::header, std::move(line)};
            row.line_number = ++lines_;
            finder_.add(std::move(row));
        }
        finish();
    }
    const AttributionCounts &counts() const { return counts_; }
    const UnreadableRows &unreadable() const { return unreadable_; }

  private:
    void finish() {
        finder_.finish();
        asker_.finish();
        progress_.clear();
    }

    void print(const LogRow &row, const proto::FlowAttribution *flow,
               const std::vector<proto::Process> &processes) {
        counts_.add(row, flow);
        unreadable_.add(row);
        if (!session_.look().width) // else the rows themselves show it
            progress_.show("read " + counted(counts_.rows(), "row"));
        if (row.kind == LogRow::Kind::header) {
            if (!session_.wants_json())
                session_.output().line(shown(row.line, session_));
            return;
        }
        const bool with_json = session_.wants_json() || log_->adds_json();
        const LogAddition addition =
            flow ? addition_of(*flow, processes, with_json ? WithJson::yes : WithJson::no)
                 : addition_of(row.kind);
        if (session_.wants_json()) {
            json object = log_->to_json(row);
            object["portd"] = *addition.json;
            session_.json_line(object);
        } else if (row.kind == LogRow::Kind::unreadable) {
            session_.output().line(shown(row.line, session_));
        } else {
            session_.output().line(shown(log_->write(row, addition), session_));
        }
    }

    std::optional<LogFormat> format_;
    Session &session_;
    Progress progress_;
    std::unique_ptr<FlowLog> log_;
    std::int64_t lines_ = 0;
    AttributionCounts counts_;
    UnreadableRows unreadable_;
    FlowFinder finder_;
    FlowAsker asker_;
};

ExitStatus run(const Typed &typed, Session &session) {
    OptionReader reader(session.now_usec());
    Question question = read(typed, reader);
    if (reader.error()) {
        session.error(*reader.error());
        return ExitStatus::usage;
    }
    add_own_addresses(question.request.local_addresses);
    Connection connection = session.connect();
    Attributing attributing(std::move(question), session, connection);
    attributing.read_all(typed.file.value_or("-"));
    const AttributionCounts &counts = attributing.counts();
    if (session.wants_json())
        session.json_line({{"summary", to_json(counts)}});
    else
        session.remark(describe_counts(counts));
    for (const std::string &remark : attributing.unreadable().remarks())
        session.remark(remark);
    const bool is_complete = counts.of(Confidence::unwatched) == 0 &&
                             counts.of(Confidence::withheld) == 0 &&
                             counts.of(Confidence::not_recorded) == 0 && counts.unreadable == 0;
    return status_of(counts.attributed() > 0, is_complete, typed);
}

constexpr std::array options{
    VerbOption{"--format", "FORMAT", "zeek, json, csv or lines (default: as the first line looks)",
               &Typed::log_format},
    VerbOption{"--within", "SPAN", "how far the clock of the log may be off (default 1s)",
               &Typed::within},
    VerbOption{"--local", "ADDR,...", "addresses that are this machine's, too, or ranges of them",
               &Typed::local},
    VerbOption{"--netns", "NETNS", "only leases of this network namespace, by inode number or name",
               &Typed::network_namespace},
    strict_option,
};

constexpr const char *notes = R"(
Reads a log of flows from FILE or the standard input, and writes each row back in
its own format with the process, user, unit and container that had it. Formats:
conn.log of Zeek, JSON of Zeek and Suricata (EVE), CSV whose first line names the
columns, and lines with a time: of conntrack, of the kernel's packet filter, or a
protocol and two ends (what follows them is passed on), such as
  2026-11-22T03:12:05Z tcp 192.0.2.1:60609 198.51.100.7:443
portd_confidence is exact or likely where a process is named. Where several can be
meant it is ambiguous, and all are listed. Otherwise it is unknown, withheld,
unwatched, notRecorded (portd_reasons names the port: port:443) or nobody; a time
in the future is unwatched, too. If both
ends are of this machine, the process at the destination has columns of its own. A row
that has a Community ID and no port is compared with every lease of its time; noLease:
none has that id. A row that names both ends and was addressed to a listener, while no
connection of the two was seen by eBPF, is unknown (noConnection). Rows that cannot
be read are passed on; the error output names the first three lines, and why.
The exit status is 0 if a process is named in a row, else 1.

Examples:
  portd-ctl attribute conn.log > conn-with-processes.log
  portd-ctl attribute --within 3s --json < eve.json | jq .portd
  conntrack -E -o timestamp | portd-ctl attribute
  echo '2026-11-22T03:12:05Z 60609' | portd-ctl attribute
)";

} // namespace

const Verb attribute_verb{"attribute",
                          "Add the processes to a log of flows",
                          PortArgument::none,
                          options,
                          notes,
                          run,
                          FileArgument::optional};

} // namespace portd::client
