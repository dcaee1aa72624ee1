#include "client/flow_asker.hpp"

#include "client/exchange.hpp"
#include "proto/call_limits.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace portd::client {
namespace {

constexpr std::size_t most_row_bytes = 4 << 20;
// Of a message that is not flows: the names, and the addresses of this machine.
constexpr std::size_t bytes_beside_flows = 8192;
constexpr std::size_t most_message_bytes = proto::call_limits.bytes - bytes_beside_flows;
// Of a flow without its addresses, with the longest numbers.
constexpr std::size_t bytes_of_flow = 220;
constexpr std::size_t bytes_of_translation = 180;

std::size_t most_bytes(const proto::Flow &flow) {
    std::size_t bytes = bytes_of_flow + (flow.translated_source_port ? bytes_of_translation : 0);
    for (const auto *address :
         {&flow.source_address, &flow.destination_address, &flow.translated_source_address,
          &flow.translated_destination_address})
        bytes += *address ? (*address)->size() : 0;
    return bytes;
}

} // namespace

void FlowAsker::add(LogRow row) {
    const std::size_t bytes = row.kind == LogRow::Kind::flow ? most_bytes(row.flow) : 0;
    if (message_bytes_ + bytes > most_message_bytes || row_bytes_ > most_row_bytes)
        send();
    message_bytes_ += bytes;
    row_bytes_ += row.line.size();
    if (row.kind == LogRow::Kind::flow)
        request_.flows.push_back(row.flow);
    gathered_.push_back(std::move(row));
}

void FlowAsker::finish() {
    send();
    tell(receive());
}

void FlowAsker::send() {
    if (gathered_.empty())
        return;
    const Lot answered = receive();
    connection_.call(proto::methods::attribute, proto::encode(request_), Replies::many);
    request_.flows.clear();
    asked_ = std::exchange(gathered_, {});
    message_bytes_ = row_bytes_ = 0;
    tell(answered);
}

FlowAsker::Lot FlowAsker::receive() {
    Lot lot;
    if (asked_.empty())
        return lot;
    lot.rows = std::exchange(asked_, {});
    for (;;) {
        auto [continues, reply] =
            decoded_reply<proto::AttributeReply>(connection_, connection_.next_message());
        if (continues)
            continue;
        lot.reply = std::move(reply);
        return lot;
    }
}

void FlowAsker::tell(const Lot &lot) const {
    auto flow = lot.reply.flows.begin();
    for (const LogRow &row : lot.rows) {
        const bool is_flow = row.kind == LogRow::Kind::flow;
        if (is_flow && flow == lot.reply.flows.end())
            throw ServiceError("portd ended its answer without telling of all flows");
        const auto *told = is_flow ? &*flow++ : row.answer ? &*row.answer : nullptr;
        on_row_(row, told, lot.reply.processes);
    }
}

} // namespace portd::client
