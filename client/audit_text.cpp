#include "client/audit_text.hpp"

#include "client/format.hpp"

#include <array>
#include <cstdio>
#include <optional>

namespace portd::client {
namespace {

std::string span_of(const std::optional<std::int64_t> &usec) {
    return usec ? format_rough_span(*usec) : "";
}

std::string title_of(AuditBy by) {
    switch (by) {
    case AuditBy::program:
        return "PROGRAM";
    case AuditBy::unit:
        return "UNIT";
    case AuditBy::user:
        return "USER";
    case AuditBy::peer:
        return "PEER";
    }
    return "";
}

// In brackets, as no program, unit or user is called.
Cell nameless(AuditBy by, const proto::AuditGroup &group) {
    if (group.withheld)
        return {"(withheld)", Style::caution};
    // Every lease has a program and a user, if they are known.
    if (!group.known || by == AuditBy::program || by == AuditBy::user)
        return {"(unknown)", Style::caution};
    return {by == AuditBy::unit ? "(no unit)" : "(no peer)", Style::faint};
}

Row row_named(Cell name, const AuditForm &form, const proto::AuditGroup &group) {
    return {
        std::move(name),
        {std::to_string(group.leases)},
        {format_rate(group.leases, form.watched_usec)},
        {describe_failures(group), Style::caution},
        {span_of(group.median_usec)},
        {span_of(group.p99_usec)},
        {span_of(group.longest_usec)},
        {group.bytes_sent > 0 ? format_bytes(group.bytes_sent) : ""},
        {group.bytes_received > 0 ? format_bytes(group.bytes_received) : ""},
        {group.open > 0 ? std::to_string(group.open) : ""},
    };
}

} // namespace

std::string format_rate(std::int64_t count, std::int64_t usec) {
    struct Unit {
        double usec;
        const char *name;
    };
    static constexpr std::array<Unit, 4> units{
        {{1e6, "/s"}, {60e6, "/min"}, {3'600e6, "/h"}, {86'400e6, "/d"}}};
    if (usec <= 0)
        return "";
    std::array<char, 64> text{};
    for (const Unit &unit : units) {
        const double rate = static_cast<double>(count) * unit.usec / static_cast<double>(usec);
        if (rate < 1 && &unit != &units.back())
            continue;
        std::snprintf(text.data(), text.size(), rate < 10 ? "%.1f%s" : "%.0f%s", rate, unit.name);
        break;
    }
    return text.data();
}

std::optional<std::string> name_of(const proto::AuditGroup &group, AuditBy by, Charset charset) {
    const auto first_of = [charset](std::initializer_list<std::optional<std::string>> texts) {
        for (const auto &text : texts)
            if (text)
                return std::optional(escape_text(*text, charset));
        return std::optional<std::string>();
    };
    switch (by) {
    case AuditBy::program:
        return first_of({group.executable, group.command});
    case AuditBy::unit:
        return first_of({group.unit, group.container});
    case AuditBy::user:
        return first_of(
            {group.user, group.uid ? std::optional(std::to_string(*group.uid)) : std::nullopt});
    case AuditBy::peer:
        return first_of({group.peer_address});
    }
    return std::nullopt;
}

std::string describe_programs(const std::vector<proto::AuditGroup> &programs, Charset charset) {
    std::string text;
    for (const proto::AuditGroup &group : programs)
        text += (text.empty() ? "" : ", ") +
                name_of(group, AuditBy::program, charset)
                    .value_or(group.withheld ? "withheld" : "unknown") +
                " (" + std::to_string(group.leases) + ")";
    return text;
}

std::string describe_failures(const proto::AuditGroup &group) {
    std::string text;
    const auto add = [&text](std::int64_t count, std::string_view what) {
        if (count > 0)
            text.append(text.empty() ? "" : ", ")
                .append(std::to_string(count))
                .append(" ")
                .append(what);
    };
    for (const proto::OutcomeCount &count : group.outcomes)
        if (count.outcome != Outcome::closed)
            add(count.leases, to_string(count.outcome));
    add(group.bind_failures, group.bind_failures == 1 ? "bind" : "binds");
    return text;
}

std::vector<Column> audit_columns(const AuditForm &form) {
    return {
        {title_of(form.by), Column::always, Cut::middle, 24},
        {"LEASES", Column::always},
        {"RATE", 50},
        {"FAILED", 90, Cut::end, 12},
        {"P50", 80},
        {"P99", 80},
        {"LONGEST", 70},
        {"SENT", 40},
        {"RECEIVED", 40},
        {"OPEN", 30},
    };
}

Row audit_row(const AuditForm &form, const proto::AuditGroup &group) {
    const auto name = name_of(group, form.by, form.charset);
    return row_named(name ? Cell{*name, Style::bold} : nameless(form.by, group), form, group);
}

Row other_row(const AuditForm &form, const proto::AuditGroup &other) {
    return row_named({"(all others)", Style::faint}, form, other);
}

} // namespace portd::client
