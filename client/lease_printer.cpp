#include "client/lease_printer.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace portd::client {

LeasePrinter::LeasePrinter(LeaseForm form, Folding folding, Session &session)
    : form_(form), session_(session), fold_(folding) {}

void LeasePrinter::add(Entry entry) {
    std::visit([this](auto &&one) { fold_.add(std::move(one)); }, std::move(entry));
    if (table_ || fold_.held() >= buffered_rows)
        print_held();
}

void LeasePrinter::print_held() {
    const std::vector<FoldedRow> held = fold_.take();
    if (held.empty())
        return;
    if (!table_)
        form_ = fitted(form_, held);
    std::vector<Row> rows;
    for (const FoldedRow &folded : held) {
        rows.push_back(lease_row(form_, folded));
        if (!form_.shows_namespace && is_elsewhere(form_, folded))
            ++unmarked_;
    }
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
    if (unmarked_ > 0)
        session_.remark(std::to_string(unmarked_) +
                        " of these rows are of other network namespaces; -o wide shows which.");
}

} // namespace portd::client
