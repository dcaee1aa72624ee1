// portd-ctl metrics: the state of the daemon for Prometheus.
#include "client/exchange.hpp"
#include "client/metrics_text.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

namespace portd::client {
namespace {

ExitStatus run(const Typed &, Session &session) {
    Connection connection = session.connect();
    const auto answer = ask_once(connection, proto::methods::status, nlohmann::json::object());
    if (session.wants_json()) {
        session.json_line(answer);
        return ExitStatus::found;
    }
    std::string text = metrics_of(decoded<proto::Status>(answer));
    text.pop_back();
    session.output().line(text);
    return ExitStatus::found;
}

constexpr const char *notes = R"(
Prometheus' text format, such as for the textfile collector of its node exporter.
With --json: what 'status --json' prints.

Examples:
  portd-ctl metrics
  portd-ctl metrics >/var/lib/prometheus/node-exporter/portd.prom
)";

} // namespace

const Verb metrics_verb{
    "metrics", "Print the daemon's state for Prometheus", PortArgument::none, {}, notes, run};

} // namespace portd::client
