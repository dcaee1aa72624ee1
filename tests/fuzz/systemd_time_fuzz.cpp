#include "client/systemd_time.hpp"

#include <time.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

// Input: one byte that picks the local zone, eight bytes of current time in microseconds, then the
// text. Whatever it says, the answer is in range or one printable line, and the local zone is as it
// was.

namespace {

using portd::client::TimeSyntaxError;

constexpr std::array zones{"UTC",          "Europe/Berlin",        "America/New_York",
                           "Pacific/Apia", "Australia/Lord_Howe",  "Africa/Casablanca",
                           "Nowhere/Town", "XXX-14YYY,M3.5.0/-167"};

void require(bool held) {
    if (!held)
        std::abort();
}

void check(const std::variant<std::int64_t, TimeSyntaxError> &parsed, std::int64_t largest) {
    if (const auto *us = std::get_if<std::int64_t>(&parsed)) {
        require(*us >= 0 && *us <= largest);
        return;
    }
    const auto &message = std::get<TimeSyntaxError>(parsed).message;
    require(!message.empty());
    for (const char c : message)
        require(c >= 0x20 && c <= 0x7e);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::int64_t now_us = 0;
    if (size < 1 + sizeof now_us)
        return 0;
    const char *zone = zones[data[0] % zones.size()];
    std::memcpy(&now_us, data + 1, sizeof now_us);
    const std::string_view text(reinterpret_cast<const char *>(data) + 1 + sizeof now_us,
                                size - 1 - sizeof now_us);
    ::setenv("TZ", zone, 1);
    ::tzset();
    check(portd::client::parse_timestamp(text, now_us), portd::client::latest_timestamp_us);
    require(std::strcmp(std::getenv("TZ"), zone) == 0);
    check(portd::client::parse_time_span(text), INT64_MAX);
    return 0;
}
