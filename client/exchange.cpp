#include "client/exchange.hpp"

#include "client/text.hpp"
#include "proto/attribution.hpp"
#include "proto/reply_text.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace portd::client {
namespace {

using nlohmann::json;

[[noreturn]] void no_coverage() {
    throw ServiceError("portd ended its answer without saying what time it covers");
}

} // namespace

template <typename T>
T decoded(const json &parameters) {
    auto result = proto::decode<T>(parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&result))
        throw ServiceError("portd-ctl does not understand the answer: " +
                           escape_text(field->parameter, Charset::utf8) + " " +
                           escape_text(field->reason, Charset::utf8));
    return std::get<T>(std::move(result));
}
template proto::LeaseReply decoded(const json &);
template proto::WatchReply decoded(const json &);
template proto::ExportReply decoded(const json &);
template proto::WhoReply decoded(const json &);
template proto::Explanation decoded(const json &);
template proto::Status decoded(const json &);
template proto::AuditReply decoded(const json &);
template proto::WhyReply decoded(const json &);
template proto::ConflictsReply decoded(const json &);
template proto::PressureReply decoded(const json &);
template proto::AttributeReply decoded(const json &);
template proto::VerifyReply decoded(const json &);

proto::LeaseReply ask_leases(Connection &connection, std::string_view method, const json &request,
                             Session &session, Rows rows,
                             const std::function<void(Entry)> &on_entry) {
    Progress line = session.progress();
    RowProgress progress(line, rows, session.look().width.has_value());
    connection.call(method, request, Replies::many);
    std::optional<std::string> cursor;
    for (;;) {
        auto [continues, content] =
            decoded_reply<proto::LeaseReply>(connection, connection.next_message());
        if (content.cursor)
            cursor = std::move(content.cursor);
        if (content.lease || content.bind_failure)
            progress.add_row();
        else
            progress.still_looking();
        if (content.lease)
            on_entry(std::move(*std::exchange(content.lease, std::nullopt)));
        if (content.bind_failure)
            on_entry(std::move(*std::exchange(content.bind_failure, std::nullopt)));
        if (continues)
            continue;
        if (!content.coverage)
            no_coverage();
        content.cursor = std::move(cursor);
        return content;
    }
}

Printed print_leases_json(Connection &connection, std::string_view method, const json &request,
                          Session &session, Cursors cursors) {
    Progress shown = session.progress();
    RowProgress progress(shown, Rows::printed, session.look().width.has_value());
    connection.call(method, request, Replies::many);
    Printed printed;
    for (;;) {
        const std::string message = connection.next_message();
        std::string line = proto::parameter_text(message, "lease");
        if (line.empty())
            line = proto::parameter_text(message, "bindFailure");
        if (line.empty()) {
            const auto [continues, last] = decoded_reply<proto::LeaseReply>(connection, message);
            if (continues) {
                progress.still_looking();
                continue;
            }
            shown.clear();
            if (!last.coverage)
                no_coverage();
            printed.complete = last.coverage->complete;
            session.output().line(proto::parameter_text(message));
            return printed;
        }
        progress.add_row();
        printed.entries = Entries::some;
        if (cursors == Cursors::shown)
            if (const auto cursor = proto::parameter_text(message, "cursor"); !cursor.empty()) {
                line.back() = ',';
                line += "\"cursor\":" + cursor + "}";
            }
        session.output().line(line);
    }
}

json ask_once(Connection &connection, std::string_view method, const json &request) {
    connection.call(method, request, Replies::one);
    return *connection.next().parameters;
}

std::optional<std::int64_t> ask_own_namespace(Connection &connection) {
    const json status = ask_once(connection, proto::methods::status, json::object());
    const auto inode = status.find("networkNamespace");
    if (inode == status.end() || !inode->is_number_integer())
        return std::nullopt;
    return inode->get<std::int64_t>();
}

std::optional<std::int64_t> records_since(Connection &connection, Session &session) {
    proto::HistoryRequest request;
    request.limit = 1;
    const auto last = ask_leases(connection, proto::methods::history, proto::encode(request),
                                 session, Rows::held, [](const Entry &) {});
    if (last.coverage->intervals.empty())
        return std::nullopt;
    return last.coverage->intervals.front().since_usec;
}

bool knows_namespace(Connection &connection, const std::string &name, Session &session) {
    proto::HistoryRequest request;
    request.network_namespace_name = name;
    request.limit = 1;
    bool is_known = false;
    ask_leases(connection, proto::methods::history, proto::encode(request), session, Rows::held,
               [&is_known](const Entry &) { is_known = true; });
    return is_known;
}

Recording ask_recording(Connection &connection, std::int64_t port) {
    try {
        const auto explanation = decoded<proto::Explanation>(
            ask_once(connection, proto::methods::explain, proto::encode(proto::PortRequest{port})));
        return explanation.recorded ? Recording::recorded : Recording::left_out;
    } catch (const ServiceError &) {
        return Recording::unsaid;
    }
}

} // namespace portd::client
