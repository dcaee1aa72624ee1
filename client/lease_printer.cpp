#include "client/lease_printer.hpp"

#include "client/lease_block.hpp"
#include "client/lease_csv.hpp"
#include "client/table.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace portd::client {
namespace {

class TablePrinter final : public LeasePrinter {
  public:
    TablePrinter(const LeaseForm &form, Folding folding, Session &session)
        : form_(form), session_(session), fold_(folding) {}

    void add(Entry entry) override;
    void finish() override;

  private:
    void print_held();

    LeaseForm form_;
    Session &session_;
    Fold fold_;
    std::optional<Table> table_;
    std::size_t unmarked_ = 0; // rows of other namespaces in a table without a column for them
};

void TablePrinter::add(Entry entry) {
    std::visit([this](auto &&one) { fold_.add(std::move(one)); }, std::move(entry));
    if (table_ || fold_.held() >= buffered_rows)
        print_held();
}

void TablePrinter::print_held() {
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

void TablePrinter::finish() {
    print_held();
    if (fold_.late() > 0)
        session_.remark(
            counted(static_cast<std::int64_t>(fold_.late()), "more accepted connection") +
            (fold_.late() == 1 ? " belongs" : " belong") +
            " to listeners above; --accepted shows them.");
    if (unmarked_ > 0)
        session_.remark(std::to_string(unmarked_) + " of these rows " +
                        (unmarked_ == 1 ? "is" : "are") +
                        " of other network namespaces; -o wide shows which.");
}

class BlockPrinter final : public LeasePrinter {
  public:
    BlockPrinter(const LeaseForm &form, Session &session) : form_(form), session_(session) {}

    void add(Entry entry) override {
        if (!is_first_)
            session_.output().line("");
        is_first_ = false;
        const Fields fields =
            std::visit([this](const auto &one) { return block_of(form_, one); }, entry);
        for (const std::string &line : fields.lines(session_.look().width))
            session_.output().line(line);
    }
    void finish() override {}

  private:
    LeaseForm form_;
    Session &session_;
    bool is_first_ = true;
};

class CsvPrinter final : public LeasePrinter {
  public:
    explicit CsvPrinter(Session &session) : session_(session) {
        session_.output().line(csv_heading());
    }

    void add(Entry entry) override {
        session_.output().line(std::visit(
            [this](const auto &one) { return csv_line(one, session_.charset()); }, entry));
    }
    void finish() override {}

  private:
    Session &session_;
};

} // namespace

std::unique_ptr<LeasePrinter> make_lease_printer(const LeaseForm &form, Folding folding,
                                                 Session &session) {
    if (session.wants_csv())
        return std::make_unique<CsvPrinter>(session);
    if (form.detail == Detail::verbose)
        return std::make_unique<BlockPrinter>(form, session);
    return std::make_unique<TablePrinter>(form, folding, session);
}

} // namespace portd::client
