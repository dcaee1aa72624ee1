// Turns the values of options from what was typed into what was meant. The first that cannot be is
// kept as an error, which names the option and the value and says what to do.
#pragma once

#include "client/lease_table.hpp"
#include "proto/vocabulary.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace portd::client {

class OptionReader {
  public:
    using Text = std::optional<std::string>;
    using Integer = std::optional<std::int64_t>;

    explicit OptionReader(std::int64_t now_usec) : now_usec_(now_usec) {}

    // 1 to 65535, decimal.
    Integer port(std::string_view option, const Text &text);
    // "49152-65535".
    struct PortRange {
        std::int64_t low = 0; // both included
        std::int64_t high = 0;
    };
    std::optional<PortRange> port_range(std::string_view option, const Text &text);
    // At least 1, and at most `most`.
    Integer positive(std::string_view option, const Text &text, Integer most = std::nullopt);
    // One of the words; its place among them.
    std::optional<std::size_t> word(std::string_view option, const Text &text,
                                    std::span<const std::string> words);
    std::optional<Protocol> protocol(const Text &text);
    std::optional<Role> role(const Text &text);
    std::optional<Outcome> outcome(const Text &text);
    // Anything but nothing; `what` says what it should be.
    Text name(std::string_view option, const Text &text, std::string_view what);
    // The uid of the user of that name, or the number itself.
    Integer user(std::string_view option, const Text &text);
    // An address, or address/bits.
    Text addresses(std::string_view option, const Text &text);
    // ADDR[:PORT], :PORT, or [ADDR]:PORT for IPv6; where ADDR can be a range, too.
    struct Peer {
        Text address;
        Integer port;
    };
    Peer peer(std::string_view option, const Text &text);
    // Of --output, of which the session knows whether it is json or csv.
    Detail detail(const Text &text);
    // systemd.time(7); a time to come is an error for `past` ones.
    Integer time(std::string_view option, const Text &text);
    // After the clock was set back, times that it showed before are later than now: if the time is
    // later than now, `latest_shown` is asked for the latest that the clock ever showed.
    Integer past_time(std::string_view option, const Text &text,
                      const std::function<std::int64_t()> &latest_shown = {});
    Integer span(std::string_view option, const Text &text);
    // Above 0, and at most `most_usec`.
    Integer span_above_0(std::string_view option, const Text &text,
                         Integer most_usec = std::nullopt);

    // Keeps an error of the caller's own, unless there is one already.
    void refuse(std::string message);
    const std::optional<std::string> &error() const { return error_; }

  private:
    std::int64_t now_usec_;
    std::optional<std::string> error_;
};

} // namespace portd::client
