#include "client/lease_table.hpp"

#include "client/bind_failure_text.hpp"
#include "client/lease_text.hpp"

#include <algorithm>
#include <utility>

namespace portd::client {
namespace {

constexpr std::size_t short_container_id = 12; // as docker ps prints them

std::string text_of(const std::optional<std::string> &text, Charset charset) {
    return text ? escape_text(*text, charset) : "";
}

std::string text_of(const std::optional<std::int64_t> &number) {
    return number ? std::to_string(*number) : "";
}

template <typename Enum>
std::string text_of(const std::optional<Enum> &value) {
    return value ? std::string(portd::to_string(*value)) : "";
}

std::string format_unit(const proto::Process &process, Charset charset) {
    if (process.container)
        return "container " +
               escape_text(std::string_view(*process.container).substr(0, short_container_id),
                           charset);
    return text_of(process.unit, charset);
}

bool opening_is_withheld(const proto::Lease &lease) {
    const Bounds opened = bounds_of(lease.opened);
    return lease.incomplete && !opened.earliest && !opened.latest;
}

Cell opened_cell(const LeaseForm &form, const proto::Lease &lease) {
    if (opening_is_withheld(lease))
        return {"withheld", Style::caution};
    return {form.detail == Detail::wide ? format_bounds(lease.opened)
                                        : format_moment(lease.opened, form.charset)};
}

Cell ended_cell(const LeaseForm &form, const proto::Lease &lease) {
    const proto::Moment *end = ended(lease);
    if (!end)
        return {"open", Style::good};
    if (form.detail == Detail::wide)
        return {format_bounds(*end)};
    // The date is left out only after an opening that shows the same one.
    const Bounds opened = bounds_of(lease.opened);
    const bool one_day =
        opened.earliest && opened.latest && on_same_day(*opened.earliest, *opened.latest);
    return {format_moment(*end, form.charset, one_day ? opened.earliest : std::nullopt)};
}

Cell duration_cell(const LeaseForm &form, const proto::Lease &lease) {
    if (opening_is_withheld(lease))
        return {"withheld", Style::caution};
    return {format_duration(form, lease)};
}

Cell standing_cell(const LeaseForm &form, const proto::Lease &lease) {
    const Standing standing = standing_at(lease, form.at_usec.value_or(form.now_usec));
    switch (standing) {
    case Standing::held:
        return {"held", Style::good};
    case Standing::possibly:
    case Standing::lingering:
        return {std::string(to_string(standing)), Style::caution};
    case Standing::before:
    case Standing::after:
        return {std::string(to_string(standing)), Style::faint};
    }
    return {};
}

Cell role_cell(const FoldedLease &folded) {
    std::string text = text_of(folded.lease.role);
    if (folded.accepted > 0)
        text += " (+" + std::to_string(folded.accepted) + " accepted)";
    return {text};
}

Cell process_cell(const LeaseForm &form, const proto::Lease &lease) {
    const std::string text = format_holders(lease, form.charset);
    const bool is_certain = text != "unknown" && text != "withheld";
    return {text, is_certain ? Style::bold : Style::caution};
}

// A column with the ways in which its cells come from a lease, and from a bind failure where it
// says something of those.
struct Shown {
    Column column;
    Cell (*cell)(const LeaseForm &form, const FoldedLease &folded);
    Cell (*failure_cell)(const LeaseForm &form, const proto::BindFailure &failure) = nullptr;
};

// The widest at which a table of 80 columns still fits, beside a time with its uncertainty.
std::size_t least_process_width(const LeaseForm &form) {
    if (!form.has_long_processes)
        return 16;
    return form.at_usec ? 23 : 34;
}

std::string header_with_zone(const LeaseForm &form) {
    const bool is_utc = format_zone(form.now_usec) == "UTC";
    return is_utc ? "OPENED (UTC)" : "OPENED";
}

std::vector<Shown> common_columns(const LeaseForm &form) {
    std::vector<Shown> shown{
        {{header_with_zone(form), Column::always},
         [](const LeaseForm &f, const FoldedLease &x) { return opened_cell(f, x.lease); },
         [](const LeaseForm &f, const proto::BindFailure &x) {
             return Cell{format_instant(x.at_usec, f.detail == Detail::wide
                                                       ? Digits::microseconds
                                                       : Digits::milliseconds)};
         }},
        {{"ENDED", 20},
         [](const LeaseForm &f, const FoldedLease &x) { return ended_cell(f, x.lease); }},
        {{"DURATION", 60},
         [](const LeaseForm &f, const FoldedLease &x) { return duration_cell(f, x.lease); }},
        {{"PROTO", 50},
         [](const LeaseForm &, const FoldedLease &x) {
             return Cell{std::string(portd::to_string(x.lease.protocol))};
         },
         [](const LeaseForm &, const proto::BindFailure &x) {
             return Cell{std::string(portd::to_string(x.protocol))};
         }},
        {{"LOCAL", Column::always, Cut::middle, 15},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{format_endpoint(x.lease.local_address, x.lease.local_port, f.charset)};
         },
         [](const LeaseForm &f, const proto::BindFailure &x) {
             return Cell{format_endpoint(x.local_address, x.local_port, f.charset)};
         }},
    };
    if (form.listing == Listing::live)
        shown.erase(shown.begin() + 1);
    if (form.at_usec)
        shown.insert(shown.begin() + 2,
                     {{"THEN", Column::always}, [](const LeaseForm &f, const FoldedLease &x) {
                          return standing_cell(f, x.lease);
                      }});
    if (form.shows_namespace)
        shown.push_back({{"NETNS", 65, Cut::end, 8},
                         [](const LeaseForm &f, const FoldedLease &x) {
                             return Cell{format_namespace(x.lease.network_namespace,
                                                          x.lease.network_namespace_name,
                                                          f.charset)};
                         },
                         [](const LeaseForm &f, const proto::BindFailure &x) {
                             return Cell{format_namespace(x.network_namespace,
                                                          x.network_namespace_name, f.charset)};
                         }});
    return shown;
}

std::vector<Shown> role_columns(const LeaseForm &form) {
    std::vector<Shown> shown{
        {{"PEER", 70, Cut::middle, 15},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{format_peer(x.lease, f.charset)};
         }},
        {{"ROLE", 30},
         [](const LeaseForm &, const FoldedLease &x) { return role_cell(x); },
         [](const LeaseForm &, const proto::BindFailure &) {
             return Cell{"bind failure", Style::caution};
         }},
    };
    if (form.listing == Listing::live || form.detail == Detail::wide)
        shown.push_back({{"PHASE", 40}, [](const LeaseForm &, const FoldedLease &x) {
                             return Cell{std::string(portd::to_string(x.lease.phase))};
                         }});
    return shown;
}

Shown outcome_column() {
    return {{"OUTCOME", 35},
            [](const LeaseForm &, const FoldedLease &x) { return Cell{text_of(x.lease.outcome)}; },
            [](const LeaseForm &f, const proto::BindFailure &x) {
                return Cell{text_of(x.error, f.charset)};
            }};
}

Shown process_column(const LeaseForm &form) {
    return {{"PROCESS", Column::always, Cut::end, least_process_width(form)},
            [](const LeaseForm &f, const FoldedLease &x) { return process_cell(f, x.lease); },
            [](const LeaseForm &f, const proto::BindFailure &x) {
                return Cell{format_attempt(x, f.charset)};
            }};
}

Shown user_column() {
    return {{"USER", 25, Cut::end, 6},
            [](const LeaseForm &f, const FoldedLease &x) {
                return Cell{format_user(x.lease, f.charset)};
            },
            [](const LeaseForm &f, const proto::BindFailure &x) {
                return Cell{format_user(x, f.charset)};
            }};
}

std::vector<Shown> brief_columns(const LeaseForm &form) {
    std::vector<Shown> shown;
    if (form.shows_outcome)
        shown.push_back(outcome_column());
    shown.push_back(process_column(form));
    shown.push_back(user_column());
    shown.push_back({{"UNIT", 10, Cut::end, 12},
                     [](const LeaseForm &f, const FoldedLease &x) {
                         return Cell{format_unit(telling(x.lease), f.charset)};
                     },
                     [](const LeaseForm &f, const proto::BindFailure &x) {
                         return Cell{format_unit(x.process, f.charset)};
                     }});
    return shown;
}

// A column with a text of the process.
template <std::optional<std::string> proto::Process::*field>
Shown process_text_column(const char *title) {
    return {{title},
            [](const LeaseForm &f, const FoldedLease &x) {
                return Cell{text_of(telling(x.lease).*field, f.charset)};
            },
            [](const LeaseForm &f, const proto::BindFailure &x) {
                return Cell{text_of(x.process.*field, f.charset)};
            }};
}

std::vector<Shown> wide_columns(const LeaseForm &form) {
    return {
        {{"FREED"},
         [](const LeaseForm &, const FoldedLease &x) {
             return Cell{x.lease.freed ? format_bounds(*x.lease.freed) : ""};
         }},
        outcome_column(),
        {{"CHOICE"},
         [](const LeaseForm &, const FoldedLease &x) {
             const std::string call = text_of(x.lease.port_chosen_by);
             return Cell{text_of(x.lease.port_choice) + (call.empty() ? "" : " (" + call + ")")};
         }},
        {{"SENT"},
         [](const LeaseForm &, const FoldedLease &x) { return Cell{text_of(x.lease.bytes_sent)}; }},
        {{"RECEIVED"},
         [](const LeaseForm &, const FoldedLease &x) {
             return Cell{text_of(x.lease.bytes_received)};
         }},
        process_column(form),
        user_column(),
        process_text_column<&proto::Process::unit>("UNIT"),
        process_text_column<&proto::Process::slice>("SLICE"),
        process_text_column<&proto::Process::container>("CONTAINER"),
        {{"NAMESPACE"},
         [](const LeaseForm &, const FoldedLease &x) {
             return Cell{std::to_string(x.lease.network_namespace)};
         },
         [](const LeaseForm &, const proto::BindFailure &x) {
             return Cell{std::to_string(x.network_namespace)};
         }},
        {{"ID"},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{escape_text(x.lease.id, f.charset)};
         }},
        process_text_column<&proto::Process::executable>("EXECUTABLE"),
        process_text_column<&proto::Process::arguments>("ARGUMENTS"),
    };
}

std::vector<Shown> shown_columns(const LeaseForm &form) {
    std::vector<Shown> shown = common_columns(form);
    const auto append = [&shown](const std::vector<Shown> &more) {
        shown.insert(shown.end(), more.begin(), more.end());
    };
    append(role_columns(form));
    append(form.detail == Detail::wide ? wide_columns(form) : brief_columns(form));
    return shown;
}

bool tells_outcome(const FoldedRow &row) {
    const auto *folded = std::get_if<FoldedLease>(&row);
    if (!folded)
        return std::get<proto::BindFailure>(row).error.has_value();
    return folded->lease.outcome && *folded->lease.outcome != Outcome::closed;
}

bool names_two_processes(const FoldedRow &row) {
    const auto *folded = std::get_if<FoldedLease>(&row);
    return !folded || (is_known(folded->lease.opener) && changed_hands(folded->lease));
}

} // namespace

std::string format_duration(const LeaseForm &form, const proto::Lease &lease) {
    const proto::Moment *end = ended(lease);
    const auto clock = end ? clock_offset_of(*end) : form.clock_offset_usec;
    const Bounds until = end ? bounds_of(*end) : Bounds{form.now_usec, form.now_usec};
    return format_duration(bounds_by(clock, lease.opened), until, form.charset);
}

bool is_elsewhere(const LeaseForm &form, const FoldedRow &row) {
    const auto *folded = std::get_if<FoldedLease>(&row);
    const std::int64_t inode = folded ? folded->lease.network_namespace
                                      : std::get<proto::BindFailure>(row).network_namespace;
    return form.own_namespace && inode != *form.own_namespace;
}

LeaseForm fitted(LeaseForm form, std::span<const FoldedRow> rows) {
    form.shows_namespace = std::ranges::any_of(
        rows, [&form](const FoldedRow &row) { return is_elsewhere(form, row); });
    form.shows_outcome =
        form.listing == Listing::history && std::ranges::any_of(rows, tells_outcome);
    form.has_long_processes = std::ranges::any_of(rows, names_two_processes);
    return form;
}

std::vector<Column> lease_columns(const LeaseForm &form) {
    std::vector<Column> columns;
    for (Shown &shown : shown_columns(form))
        columns.push_back(std::move(shown.column));
    return columns;
}

Row lease_row(const LeaseForm &form, const FoldedRow &folded) {
    Row row;
    for (const Shown &shown : shown_columns(form))
        if (const auto *lease = std::get_if<FoldedLease>(&folded))
            row.push_back(shown.cell(form, *lease));
        else if (shown.failure_cell)
            row.push_back(shown.failure_cell(form, std::get<proto::BindFailure>(folded)));
        else
            row.push_back({});
    return row;
}

} // namespace portd::client
