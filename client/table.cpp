#include "client/table.hpp"

#include <algorithm>
#include <utility>

namespace portd::client {
namespace {

constexpr std::size_t separator = 2;
constexpr std::size_t indent = 4;

const std::string &shown(const Cell &cell) {
    static const std::string nothing = "-";
    return cell.text.empty() ? nothing : cell.text;
}

std::string_view code_of(Style style) {
    switch (style) {
    case Style::plain:
        return "";
    case Style::bold:
        return "\x1b[1m";
    case Style::faint:
        return "\x1b[2m";
    case Style::good:
        return "\x1b[32m";
    case Style::caution:
        return "\x1b[33m";
    }
    return "";
}

} // namespace

std::string styled(std::string_view text, Style style, Color color) {
    if (color == Color::off || style == Style::plain)
        return std::string(text);
    return std::string(code_of(style)).append(text).append("\x1b[0m");
}

Table::Table(std::vector<Column> columns, std::span<const Row> rows,
             std::optional<std::size_t> width, Charset charset)
    : columns_(std::move(columns)), cuts_(width.has_value()), charset_(charset) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t widest = display_width(columns_[i].title);
        for (const Row &row : rows)
            widest = std::max(widest, display_width(shown(row.at(i))));
        placed_.push_back({.index = i, .width = widest});
    }
    if (!width)
        return;
    fit(std::max(*width, narrowest_table), rows);
    if (*width < narrowest_table)
        break_lines(*width);
}

std::size_t Table::total(const std::vector<Placed> &placed) const {
    std::size_t sum = placed.empty() ? 0 : separator * (placed.size() - 1);
    for (const Placed &column : placed)
        sum += column.width;
    return sum;
}

std::size_t Table::least_width(const Placed &placed) const {
    const Column &column = columns_[placed.index];
    if (column.cut == Cut::never)
        return placed.width;
    return std::min(placed.width, std::max(column.least, display_width(column.title)));
}

void Table::fit(std::size_t width, std::span<const Row> rows) {
    const auto rank = [&](const Placed &placed) {
        const int given = columns_[placed.index].rank;
        const bool says_nothing = std::all_of(rows.begin(), rows.end(), [&](const Row &row) {
            return row[placed.index].text.empty();
        });
        return says_nothing && given != Column::always ? given - Column::always : given;
    };
    const auto least_total = [&] {
        std::vector<Placed> least = placed_;
        for (Placed &column : least)
            column.width = least_width(column);
        return total(least);
    };
    std::vector<std::pair<int, std::size_t>> by_rank;
    for (const Placed &placed : placed_)
        by_rank.emplace_back(rank(placed), placed.index);
    std::sort(by_rank.begin(), by_rank.end());

    for (const auto &[given, index] : by_rank) {
        const bool bare = given < 0 && total(placed_) > width;
        if (given == Column::always || (!bare && least_total() <= width))
            break;
        std::erase_if(placed_, [&, gone = index](const Placed &p) { return p.index == gone; });
    }
    cut_down(width);
}

void Table::cut_down(std::size_t width) {
    while (total(placed_) > width) {
        const auto slack = [this](const Placed &p) { return p.width - least_width(p); };
        const auto widest =
            std::max_element(placed_.begin(), placed_.end(), [&](const Placed &a, const Placed &b) {
                return std::pair(slack(a) > 0, a.width) < std::pair(slack(b) > 0, b.width);
            });
        if (widest == placed_.end() || slack(*widest) == 0)
            return;
        --widest->width;
    }
}

// A column that is wider than a line is cut to it, if it may be.
void Table::break_lines(std::size_t width) {
    std::size_t used = 0; // of the line
    for (Placed &column : placed_) {
        const std::size_t room = width - std::min(width, indent);
        if (column.width > room)
            column.width = std::max(least_width(column), room);
        column.begins_line = used > 0 && used + separator + column.width > width;
        if (column.begins_line)
            used = indent + column.width;
        else
            used += (used > 0 ? separator : 0) + column.width;
    }
}

std::string Table::cut(const std::string &text, const Placed &placed) const {
    if (!cuts_)
        return text;
    switch (columns_[placed.index].cut) {
    case Cut::never:
        return text;
    case Cut::end:
        return cut_end(text, placed.width, charset_);
    case Cut::middle:
        return cut_middle(text, placed.width, charset_);
    }
    return text;
}

std::string Table::heading(Color color) const {
    Row titles;
    for (const Column &column : columns_)
        titles.push_back({column.title, Style::bold});
    return line(titles, color);
}

std::string Table::line(const Row &row, Color color) const {
    std::string result;
    std::size_t missing = 0; // blanks up to the next column
    for (const Placed &placed : placed_) {
        if (placed.begins_line)
            result.append("\n").append(indent, ' ');
        else
            result.append(missing, ' ');
        const Cell &cell = row.at(placed.index);
        const std::string text = cut(shown(cell), placed);
        result += styled(text, cell.style, color);
        const std::size_t used = display_width(text);
        missing = separator + (placed.width > used ? placed.width - used : 0);
    }
    return result;
}

} // namespace portd::client
