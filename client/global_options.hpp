// The options that every verb has, and what they and the environment make of a run.
#pragma once

#include "client/output.hpp"
#include "client/session.hpp"
#include "client/terminal.hpp"

#include <optional>
#include <string>

namespace portd::client {

inline constexpr const char *default_socket = "/run/portd/io.portd.Ports";
inline constexpr const char *default_timeout = "30s";

// As they were typed.
struct TypedGlobals {
    std::optional<std::string> socket;
    std::optional<std::string> timeout;
    std::optional<std::string> color;
    bool json = false;
    bool utc = false;
    bool no_pager = false;
    bool version = false;
};

// Throws UsageError. `form`: as typed after --output, where the verb has that; `terminal`: of the
// output.
Session::Settings read_settings(const TypedGlobals &typed, const std::optional<std::string> &form,
                                std::optional<TerminalSize> terminal, Charset charset);
std::optional<Output::Pager> choose_pager(const TypedGlobals &typed,
                                          std::optional<TerminalSize> terminal);

// While it lives, local time is UTC.
class UtcZone {
  public:
    UtcZone();
    ~UtcZone();
    UtcZone(const UtcZone &) = delete;
    UtcZone &operator=(const UtcZone &) = delete;

  private:
    std::optional<std::string> saved_;
};

} // namespace portd::client
