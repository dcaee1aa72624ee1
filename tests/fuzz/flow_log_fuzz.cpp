// Any bytes are a log: read and written again, in its format and in each other.
#include "client/attribution_text.hpp"
#include "client/flow_log.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace portd::client;

void require(bool holds) {
    if (!holds)
        std::abort();
}

void read_and_write(LogFormat format, std::string_view text) {
    constexpr std::int64_t now_usec = 1'795'400'000'000'000;
    const auto log = open_log(format, added_columns(), now_usec);
    const LogAddition addition = addition_of(LogRow::Kind::unreadable);
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const LogRow row = log->read(std::string(text.substr(0, end)));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (row.kind == LogRow::Kind::header)
            continue;
        require(row.kind != LogRow::Kind::flow || row.flow.source_port ||
                row.flow.destination_port);
        require(row.flow.duration_usec.value_or(0) >= 0);
        require(log->write(row, addition).find('\n') == std::string::npos);
        require(log->to_json(row).is_object());
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    if (const auto format = detect_format(text.substr(0, text.find('\n'))))
        read_and_write(*format, text);
    for (const auto format : {LogFormat::zeek, LogFormat::json, LogFormat::csv, LogFormat::lines})
        read_and_write(format, text);
    return 0;
}
