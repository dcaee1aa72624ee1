// The layout of a table, pure: columns get their widths from the rows that are known when it
// begins, and keep them. Widths are columns of the terminal, not bytes.
//
// A table that is too wide first cuts the cells that may be cut, none below the least width of its
// column; then it leaves out whole columns, those that say nothing first and then by rank. It never
// leaves out for fewer than narrowest_table columns: what does not fit a narrower terminal goes on
// in indented lines below, the same cells of each row.
#pragma once

#include "client/text.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace portd::client {

enum class Style { plain, bold, faint, good, caution };
enum class Color { off, on };

// The text between the terminal's codes for the style (ECMA-48, SGR); as it is for Color::off.
std::string styled(std::string_view text, Style style, Color color);

enum class Cut {
    never,
    end,
    middle, // an endpoint keeps its port
};

struct Column {
    std::string title;
    int rank = 0; // the lowest goes first; `always` stays
    Cut cut = Cut::never;
    std::size_t least = 0; // narrowest to which it may be cut

    static constexpr int always = 1'000;
};

// The text is escaped; an empty one is shown as "-".
struct Cell {
    std::string text;
    Style style = Style::plain;
};
using Row = std::vector<Cell>;

class Table {
  public:
    static constexpr std::size_t narrowest_table = 80;

    // `width`: of the terminal; without one nothing is cut or left out.
    Table(std::vector<Column> columns, std::span<const Row> rows, std::optional<std::size_t> width,
          Charset charset);

    std::string heading(Color color) const;
    // Without the end of the line, or of the last where one is not enough. The row has a cell for
    // every column that was given.
    std::string line(const Row &row, Color color) const;

  private:
    struct Placed {
        std::size_t index; // of the column
        std::size_t width;
        bool begins_line = false; // not the first one
    };

    std::size_t total(const std::vector<Placed> &placed) const;
    std::size_t least_width(const Placed &placed) const;
    void fit(std::size_t width, std::span<const Row> rows);
    void cut_down(std::size_t width);
    void break_lines(std::size_t width);
    std::string cut(const std::string &text, const Placed &placed) const;

    std::vector<Column> columns_;
    std::vector<Placed> placed_;
    bool cuts_ = false;
    Charset charset_;
};

} // namespace portd::client
