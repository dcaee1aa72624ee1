#include "client/lease_table.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace portd::client {
namespace {

constexpr std::size_t short_container_id = 12; // as docker ps prints them

std::string arrow(Charset charset) {
    return charset == Charset::utf8 ? "→" : "->";
}

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

bool is_known(const proto::Process &process) {
    return process.provenance != Provenance::unknown;
}

// The process that says most of who used the port: the one that had it last, if that is known.
const proto::Process &telling(const proto::Lease &lease) {
    return is_known(lease.last_holder) ? lease.last_holder : lease.opener;
}

bool same_process(const proto::Process &a, const proto::Process &b) {
    return a.pid == b.pid && a.start_usec == b.start_usec;
}

std::string format_user(const proto::Lease &lease, Charset charset) {
    if (lease.user)
        return escape_text(*lease.user, charset);
    if (lease.uid)
        return std::to_string(*lease.uid);
    const proto::Process &process = telling(lease);
    return process.user ? escape_text(*process.user, charset) : text_of(process.uid);
}

std::string format_unit(const proto::Process &process, Charset charset) {
    if (process.container)
        return "container " +
               escape_text(std::string_view(*process.container).substr(0, short_container_id),
                           charset);
    return text_of(process.unit, charset);
}

std::string format_peer(const proto::Lease &lease, Charset charset) {
    if (!lease.peer_address)
        return "";
    return format_endpoint(*lease.peer_address, lease.peer_port.value_or(0), charset);
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
    const proto::Moment *end = ended(lease);
    const Bounds until = end ? bounds_of(*end) : Bounds{form.now_usec, form.now_usec};
    return {format_duration(bounds_of(lease.opened), until, form.charset)};
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

// A column with the way in which its cells come from a lease.
struct Shown {
    Column column;
    Cell (*cell)(const LeaseForm &form, const FoldedLease &folded);
};

std::string header_with_zone(const LeaseForm &form) {
    const bool is_utc = format_zone(form.now_usec) == "UTC";
    return is_utc ? "OPENED (UTC)" : "OPENED";
}

std::vector<Shown> common_columns(const LeaseForm &form) {
    std::vector<Shown> shown{
        {{header_with_zone(form), Column::always},
         [](const LeaseForm &f, const FoldedLease &x) { return opened_cell(f, x.lease); }},
        {{"ENDED", 20},
         [](const LeaseForm &f, const FoldedLease &x) { return ended_cell(f, x.lease); }},
        {{"DURATION", 60},
         [](const LeaseForm &f, const FoldedLease &x) { return duration_cell(f, x.lease); }},
        {{"PROTO", 50},
         [](const LeaseForm &, const FoldedLease &x) {
             return Cell{std::string(portd::to_string(x.lease.protocol))};
         }},
        {{"LOCAL", Column::always, Cut::middle, 15},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{format_endpoint(x.lease.local_address, x.lease.local_port, f.charset)};
         }},
        {{"PEER", 70, Cut::middle, 15},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{format_peer(x.lease, f.charset)};
         }},
        {{"ROLE", 30}, [](const LeaseForm &, const FoldedLease &x) { return role_cell(x); }},
    };
    if (form.listing == Listing::live)
        shown.erase(shown.begin() + 1);
    if (form.listing == Listing::live || form.detail == Detail::wide)
        shown.push_back({{"PHASE", 40}, [](const LeaseForm &, const FoldedLease &x) {
                             return Cell{std::string(portd::to_string(x.lease.phase))};
                         }});
    if (form.at_usec)
        shown.insert(shown.begin() + 2,
                     {{"THEN", Column::always}, [](const LeaseForm &f, const FoldedLease &x) {
                          return standing_cell(f, x.lease);
                      }});
    return shown;
}

std::vector<Shown> brief_columns() {
    return {
        {{"PROCESS", Column::always, Cut::end, 16},
         [](const LeaseForm &f, const FoldedLease &x) { return process_cell(f, x.lease); }},
        {{"USER", 25, Cut::end, 6},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{format_user(x.lease, f.charset)};
         }},
        {{"UNIT", 10, Cut::end, 12},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{format_unit(telling(x.lease), f.charset)};
         }},
    };
}

std::vector<Shown> wide_columns() {
    return {
        {{"FREED"},
         [](const LeaseForm &, const FoldedLease &x) {
             return Cell{x.lease.freed ? format_bounds(*x.lease.freed) : ""};
         }},
        {{"OUTCOME"},
         [](const LeaseForm &, const FoldedLease &x) { return Cell{text_of(x.lease.outcome)}; }},
        {{"CHOICE"},
         [](const LeaseForm &, const FoldedLease &x) {
             return Cell{text_of(x.lease.port_choice)};
         }},
        {{"SENT"},
         [](const LeaseForm &, const FoldedLease &x) { return Cell{text_of(x.lease.bytes_sent)}; }},
        {{"RECEIVED"},
         [](const LeaseForm &, const FoldedLease &x) {
             return Cell{text_of(x.lease.bytes_received)};
         }},
        {{"PROCESS"},
         [](const LeaseForm &f, const FoldedLease &x) { return process_cell(f, x.lease); }},
        {{"USER"},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{format_user(x.lease, f.charset)};
         }},
        {{"UNIT"},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{text_of(telling(x.lease).unit, f.charset)};
         }},
        {{"CONTAINER"},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{text_of(telling(x.lease).container, f.charset)};
         }},
        {{"NAMESPACE"},
         [](const LeaseForm &, const FoldedLease &x) {
             return Cell{std::to_string(x.lease.network_namespace)};
         }},
        {{"ID"},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{escape_text(x.lease.id, f.charset)};
         }},
        {{"EXECUTABLE"},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{text_of(telling(x.lease).executable, f.charset)};
         }},
        {{"ARGUMENTS"},
         [](const LeaseForm &f, const FoldedLease &x) {
             return Cell{text_of(telling(x.lease).arguments, f.charset)};
         }},
    };
}

std::vector<Shown> shown_columns(const LeaseForm &form) {
    std::vector<Shown> shown = common_columns(form);
    const std::vector<Shown> rest = form.detail == Detail::wide ? wide_columns() : brief_columns();
    shown.insert(shown.end(), rest.begin(), rest.end());
    return shown;
}

} // namespace

const proto::Moment *ended(const proto::Lease &lease) {
    if (lease.closed)
        return &*lease.closed;
    return lease.freed ? &*lease.freed : nullptr;
}

Standing standing_at(const proto::Lease &lease, std::int64_t at_usec) {
    const Bounds opened = bounds_of(lease.opened);
    if (opened.earliest && at_usec < *opened.earliest)
        return Standing::after;
    const proto::Moment *end = ended(lease);
    const Bounds let_go = end ? bounds_of(*end) : Bounds{};
    if (end && let_go.latest && at_usec > *let_go.latest) {
        const bool was_freed =
            lease.freed && at_usec > bounds_of(*lease.freed).latest.value_or(at_usec);
        return was_freed ? Standing::before : Standing::lingering;
    }
    const bool had_begun = opened.latest && at_usec >= *opened.latest;
    const bool had_not_ended = !end || (let_go.earliest && at_usec <= *let_go.earliest);
    return had_begun && had_not_ended ? Standing::held : Standing::possibly;
}

std::string_view to_string(Standing standing) {
    static constexpr std::array<std::string_view, 5> words{"held", "possibly", "lingering",
                                                           "before", "after"};
    return words.at(static_cast<std::size_t>(standing));
}

std::string format_holders(const proto::Lease &lease, Charset charset) {
    if (!is_known(lease.opener) && !is_known(lease.last_holder))
        return lease.incomplete ? "withheld" : "unknown";
    const bool changed =
        is_known(lease.last_holder) && !same_process(lease.opener, lease.last_holder);
    std::string text = format_process(lease.opener, charset);
    if (changed)
        text += arrow(charset) + format_process(lease.last_holder, charset);
    const std::size_t named = (is_known(lease.opener) ? 1U : 0U) + (changed ? 1U : 0U);
    if (lease.holders.size() > named)
        text += " (+" + std::to_string(lease.holders.size() - named) + ")";
    return text;
}

std::string describe_lease(const proto::Lease &lease, Charset charset) {
    std::string text = format_holders(lease, charset);
    if (const std::string user = format_user(lease, charset); !user.empty())
        text += " (" + user + ")";
    text += ", " + std::string(portd::to_string(lease.protocol)) + " " +
            format_endpoint(lease.local_address, lease.local_port, charset);
    if (const std::string peer = format_peer(lease, charset); !peer.empty())
        text += " " + arrow(charset) + " " + peer;
    return text;
}

std::vector<Column> lease_columns(const LeaseForm &form) {
    std::vector<Column> columns;
    for (Shown &shown : shown_columns(form))
        columns.push_back(std::move(shown.column));
    return columns;
}

Row lease_row(const LeaseForm &form, const FoldedLease &folded) {
    Row row;
    for (const Shown &shown : shown_columns(form))
        row.push_back(shown.cell(form, folded));
    return row;
}

LeasePrinter::LeasePrinter(LeaseForm form, Folding folding, Session &session)
    : form_(form), session_(session), fold_(folding) {}

void LeasePrinter::add(proto::Lease lease) {
    fold_.add(std::move(lease));
    if (table_ || fold_.held() >= buffered_rows)
        print_held();
}

void LeasePrinter::print_held() {
    std::vector<Row> rows;
    for (const FoldedLease &folded : fold_.take())
        rows.push_back(lease_row(form_, folded));
    if (rows.empty())
        return;
    const Look &look = session_.look();
    if (!table_) {
        const auto width = form_.detail == Detail::wide ? std::nullopt : look.width;
        table_.emplace(lease_columns(form_), rows, width, look.charset);
        session_.output().line(table_->heading(look.color));
    }
    for (const Row &row : rows)
        session_.output().line(table_->line(row, look.color));
}

void LeasePrinter::finish() {
    print_held();
    if (fold_.late() > 0)
        session_.remark(
            std::to_string(fold_.late()) +
            " more accepted connections belong to listeners above; --accepted shows them.");
}

} // namespace portd::client
