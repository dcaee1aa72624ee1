#include "client/metrics_text.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace portd::client {
namespace {

using Labels = std::initializer_list<std::pair<std::string_view, std::string>>;

std::string escaped_label(std::string_view value) {
    std::string result;
    for (const char c : value)
        if (c == '\\' || c == '"')
            result.append({'\\', c});
        else if (c == '\n')
            result += "\\n";
        else
            result += c;
    return result;
}

// Seconds with all digits that microseconds have.
std::string seconds(std::int64_t usec) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%s%lld.%06lld", usec < 0 ? "-" : "",
                  static_cast<long long>(usec < 0 ? -(usec / 1'000'000) : usec / 1'000'000),
                  static_cast<long long>(usec < 0 ? -(usec % 1'000'000) : usec % 1'000'000));
    return text.data();
}

class Exposition {
  public:
    // The family whose samples follow.
    void family(const char *name, const char *type, const char *help) {
        name_ = name;
        text_.append("# HELP ").append(name).append(" ").append(help).append("\n");
        text_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
    }
    void sample(const std::string &value, Labels labels = {}) {
        text_.append(name_);
        bool is_first = true;
        for (const auto &[label, text] : labels) {
            text_.append(is_first ? "{" : ",").append(label).append("=\"");
            text_.append(escaped_label(text)).append("\"");
            is_first = false;
        }
        text_.append(is_first ? " " : "} ").append(value).append("\n");
    }
    void sample(std::int64_t value, Labels labels = {}) { sample(std::to_string(value), labels); }

    // A family of one sample, if there is one.
    void one(const char *name, const char *type, const char *help,
             const std::optional<std::int64_t> &value) {
        if (!value)
            return;
        family(name, type, help);
        sample(*value);
    }
    void one_time(const char *name, const char *type, const char *help,
                  const std::optional<std::int64_t> &usec) {
        if (!usec)
            return;
        family(name, type, help);
        sample(seconds(*usec));
    }

    std::string take() { return std::move(text_); }

  private:
    std::string text_;
    const char *name_ = "";
};

void add_watching(const proto::Status &status, Exposition &out) {
    out.family("portd_info", "gauge", "Version of the daemon, and the tier by which it captures.");
    out.sample(1, {{"version", status.version}, {"tier", std::string(to_string(status.tier))}});
    out.one("portd_watching", "gauge", "Whether the daemon is watching without interruption.",
            status.watching_since_usec ? 1 : 0);
    out.one_time("portd_start_time_seconds", "gauge", "When the daemon started.",
                 status.started_usec);
    out.one_time("portd_watching_since_seconds", "gauge",
                 "Since when the daemon has been watching without interruption.",
                 status.watching_since_usec);
    out.one_time("portd_last_snapshot_seconds", "gauge",
                 "When the socket tables were last read as a whole.", status.last_snapshot_usec);
    out.one("portd_samples_total", "counter", "Readings of the socket tables.", status.samples);
}

void add_pools(const std::vector<proto::PoolUse> &pools, Exposition &out) {
    const struct {
        const char *name;
        const char *help;
        std::optional<std::int64_t> (*value)(const proto::PoolUse &);
    } families[] = {
        {"portd_open_ports", "Ports with an open lease.",
         [](const proto::PoolUse &pool) { return std::optional(pool.open_ports); }},
        {"portd_pool_open_ports", "Ports with an open lease, of those that the kernel chooses.",
         [](const proto::PoolUse &pool) { return pool.open_automatic_ports; }},
        {"portd_pool_ports", "Ports that the kernel chooses, open or not.",
         [](const proto::PoolUse &pool) { return pool.automatic_ports; }},
    };
    for (const auto &family : families) {
        out.family(family.name, "gauge", family.help);
        for (const proto::PoolUse &pool : pools)
            if (const auto value = family.value(pool))
                out.sample(*value, {{"protocol", std::string(to_string(pool.protocol))},
                                    {"network_namespace", std::to_string(pool.network_namespace)}});
    }
}

void add_leases(const proto::Status &status, Exposition &out) {
    out.one("portd_open_leases", "gauge", "Leases that are open.", status.open_leases);
    out.one("portd_leases_opened_total", "counter", "Leases that were found since the start.",
            status.leases_opened);
    out.one("portd_leases_ended_total", "counter", "Leases that ended since the start.",
            status.leases_ended);
    out.one("portd_bind_failures_total", "counter",
            "Attempts to bind a port that were refused since the start.", status.bind_failures);
    add_pools(status.pools, out);
}

void add_losses(const proto::Status &status, Exposition &out) {
    out.family("portd_lost_events_total", "counter", "Events that were lost, by cause.");
    for (const proto::LossCount &loss : status.losses)
        out.sample(loss.events, {{"cause", loss.cause}});
    out.one("portd_gaps_total", "counter", "Gaps in the record since the start.",
            status.gaps_recorded);
    out.one("portd_unseen_sockets_total", "counter",
            "Sockets of which only the end was seen since the start.", status.unseen_sockets);
    out.one("portd_events_issued_total", "counter", "Events that the kernel side made.",
            status.events_issued);
    out.one("portd_events_received_total", "counter", "Events that were taken.",
            status.events_received);
    if (status.self_check) {
        out.one("portd_self_check_passed", "gauge",
                "Whether the daemon last saw what it did itself.",
                status.self_check->passed ? 1 : 0);
        out.one_time("portd_self_check_seconds", "gauge", "When it last looked for that.",
                     status.self_check->at_usec);
    }
}

void add_cost(const proto::Status &status, Exposition &out) {
    out.one("portd_stored_leases", "gauge", "Leases in the store.", status.stored_leases);
    out.one("portd_store_bytes", "gauge", "Size of the store on disk.", status.stored_bytes);
    out.one_time("portd_cpu_seconds_total", "counter", "Processor time that the daemon has used.",
                 status.cpu_usec);
    out.one("portd_resident_memory_bytes", "gauge", "Memory that the daemon occupies.",
            status.resident_bytes);
}

} // namespace

std::string metrics_of(const proto::Status &status) {
    Exposition out;
    add_watching(status, out);
    add_leases(status, out);
    add_losses(status, out);
    add_cost(status, out);
    return out.take();
}

} // namespace portd::client
