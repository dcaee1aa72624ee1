#include "client/lease_csv.hpp"

#include "client/format.hpp"
#include "client/lease_text.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace portd::client {
namespace {

// One line, field by field. What is absent is empty.
class Line {
  public:
    explicit Line(Charset charset) : charset_(charset) {}

    Line &text(std::optional<std::string_view> value) {
        const std::string escaped = escape_text(value.value_or(""), charset_);
        const bool needs_quotes = escaped.find_first_of(",\"") != std::string::npos;
        return raw(needs_quotes ? quoted(escaped) : escaped);
    }
    Line &number(std::optional<std::int64_t> value) {
        return raw(value ? std::to_string(*value) : "");
    }
    template <typename Enum>
    Line &word(std::optional<Enum> value) {
        return raw(value ? std::string(portd::to_string(*value)) : "");
    }
    Line &instant(std::optional<std::int64_t> usec) {
        return raw(usec ? format_rfc3339(*usec) : "");
    }
    Line &moment(const std::optional<proto::Moment> &moment) {
        const Bounds bounds = moment ? bounds_of(*moment) : Bounds{};
        return instant(bounds.earliest).instant(bounds.latest);
    }
    Line &process(const proto::Process &process) {
        return word(std::optional(process.provenance))
            .number(process.pid)
            .instant(process.start_usec)
            .text(process.command)
            .text(process.executable)
            .text(process.arguments)
            .text(process.user)
            .text(process.unit)
            .text(process.container);
    }
    Line &empty(std::size_t fields) {
        for (; fields > 0; --fields)
            raw("");
        return *this;
    }
    std::string take() { return std::move(line_); }

  private:
    static std::string quoted(std::string_view text) {
        std::string result = "\"";
        for (const char c : text)
            result.append(c == '"' ? 2 : 1, c);
        return result + '"';
    }
    Line &raw(std::string_view field) {
        line_.append(is_first_ ? "" : ",").append(field);
        is_first_ = false;
        return *this;
    }

    Charset charset_;
    std::string line_;
    bool is_first_ = true;
};

constexpr std::string_view process_fields =
    "Provenance,@Pid,@Started,@Command,@Executable,@Arguments,@User,@Unit,@Container";

std::string process_heading(std::string_view who) {
    std::string heading(who);
    for (const char c : process_fields)
        c == '@' ? heading += who : heading += c;
    return heading;
}

} // namespace

std::string csv_heading() {
    return "kind,id,bootId,cookie,protocol,family,localAddress,localPort,peerAddress,peerPort,"
           "networkNamespace,networkNamespaceName,role,portChoice,portChosenBy,phase,outcome,"
           "openedEarliest,"
           "openedLatest,closedEarliest,closedLatest,freedEarliest,freedLatest,uid,user,"
           "bytesSent,bytesReceived,incomplete," +
           process_heading("opener") + "," + process_heading("lastHolder");
}

std::string csv_line(const proto::Lease &lease, Charset charset) {
    Line line(charset);
    line.text("lease").text(lease.id).text(lease.boot_id).text(lease.cookie);
    line.word(std::optional(lease.protocol)).word(std::optional(lease.family));
    line.text(lease.local_address).number(lease.local_port);
    line.text(lease.peer_address).number(lease.peer_port);
    line.number(lease.network_namespace).text(lease.network_namespace_name);
    line.word(lease.role).word(lease.port_choice).word(lease.port_chosen_by);
    line.word(std::optional(lease.phase))
        .word(lease.outcome)
        .moment(lease.opened)
        .moment(lease.closed)
        .moment(lease.freed);
    line.number(lease.uid).text(lease.user);
    line.number(lease.bytes_sent).number(lease.bytes_received);
    line.text(lease.incomplete ? "true" : "false");
    line.process(lease.opener).process(lease.last_holder);
    return line.take();
}

// The process that tried stands where a lease has its opener, and the error where it has its
// outcome.
std::string csv_line(const proto::BindFailure &failure, Charset charset) {
    Line line(charset);
    line.text("bindFailure").empty(1).text(failure.boot_id).empty(1);
    line.word(std::optional(failure.protocol)).word(std::optional(failure.family));
    line.text(failure.local_address).number(failure.local_port).empty(2);
    line.number(failure.network_namespace).text(failure.network_namespace_name).empty(4);
    line.text(failure.error).instant(failure.at_usec).instant(failure.at_usec).empty(4);
    line.number(failure.uid).text(failure.user).empty(2);
    line.text(failure.incomplete ? "true" : "false");
    line.process(failure.process).empty(9);
    return line.take();
}

} // namespace portd::client
