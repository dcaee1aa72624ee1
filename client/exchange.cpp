#include "client/exchange.hpp"

#include "client/text.hpp"

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
template proto::WhoReply decoded(const json &);
template proto::Explanation decoded(const json &);
template proto::Status decoded(const json &);

proto::LeaseReply ask_leases(Connection &connection, std::string_view method, const json &request,
                             const std::function<void(proto::Lease)> &on_lease) {
    connection.call(method, request, Replies::many);
    for (;;) {
        const proto::Reply reply = connection.next();
        auto content = decoded<proto::LeaseReply>(*reply.parameters);
        if (content.lease)
            on_lease(std::move(*std::exchange(content.lease, std::nullopt)));
        if (reply.continues)
            continue;
        if (!content.coverage)
            no_coverage();
        return content;
    }
}

Leases print_leases_json(Connection &connection, std::string_view method, const json &request,
                         Order order, Session &session) {
    connection.call(method, request, Replies::many);
    std::vector<json> held;
    Leases leases = Leases::none;
    for (;;) {
        const proto::Reply reply = connection.next();
        if (!reply.continues) {
            for (auto lease = held.rbegin(); lease != held.rend(); ++lease)
                session.json_line(*lease);
            if (!reply.parameters->contains("coverage"))
                no_coverage();
            session.json_line(*reply.parameters);
            return leases;
        }
        const auto lease = reply.parameters->find("lease");
        if (lease == reply.parameters->end())
            continue;
        leases = Leases::some;
        if (order == Order::reversed)
            held.push_back(*lease);
        else
            session.json_line(*lease);
    }
}

json ask_once(Connection &connection, std::string_view method, const json &request) {
    connection.call(method, request, Replies::one);
    return *connection.next().parameters;
}

std::optional<std::int64_t> records_since(Connection &connection) {
    proto::HistoryRequest request;
    request.limit = 1;
    const auto last = ask_leases(connection, proto::methods::history, proto::encode(request),
                                 [](const proto::Lease &) {});
    if (last.coverage->intervals.empty())
        return std::nullopt;
    return last.coverage->intervals.front().since_usec;
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
