#include "client/port_map.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace portd::client {
namespace {

constexpr std::size_t label_width = 7; // "65535  "
constexpr std::size_t least_columns = 16;
constexpr std::size_t most_columns = 256;
constexpr std::size_t lines = 16;
constexpr std::size_t plain_lines = 20;

struct Colour {
    int red, green, blue;
    int index; // the nearest of xterm's 256
};
constexpr Colour free_colour{48, 48, 48, 236};
// Told apart by people who see few colours, too: hue and lightness alternate.
constexpr std::array<Colour, most_classes> colours{{{86, 180, 233, 74},
                                                    {230, 159, 0, 178},
                                                    {0, 158, 115, 36},
                                                    {240, 228, 66, 227},
                                                    {213, 94, 0, 166},
                                                    {204, 121, 167, 175},
                                                    {0, 114, 178, 25},
                                                    {255, 255, 255, 231},
                                                    {150, 120, 90, 137},
                                                    {140, 140, 140, 245}}};
constexpr std::string_view glyphs = "#@%*+oxs=-";
static_assert(glyphs.size() == most_classes);

using Class = std::optional<std::uint8_t>;

// The class that most ports of the cell have; of several the first.
Class class_of(const PortMap &map, std::size_t cell, std::int64_t ports_per_cell) {
    std::array<std::int64_t, most_classes> counts{};
    const std::size_t begin = cell * static_cast<std::size_t>(ports_per_cell);
    const std::size_t end =
        std::min(begin + static_cast<std::size_t>(ports_per_cell), map.ports.size());
    for (std::size_t i = begin; i < end; ++i)
        if (map.ports[i])
            ++counts.at(*map.ports[i]);
    const auto most = std::ranges::max_element(counts);
    if (*most == 0)
        return std::nullopt;
    return static_cast<std::uint8_t>(most - counts.begin());
}

bool is_there(const PortMap &map, std::size_t cell, std::int64_t ports_per_cell) {
    return cell * static_cast<std::size_t>(ports_per_cell) < map.ports.size();
}

// The parameters of SGR, after 38 (foreground) or 48 (background).
std::string code(Class of, Palette palette, int layer) {
    const Colour &colour = of ? colours.at(*of) : free_colour;
    std::array<char, 48> text{};
    if (palette == Palette::indexed)
        std::snprintf(text.data(), text.size(), "%d;5;%d", layer, colour.index);
    else
        std::snprintf(text.data(), text.size(), "%d;2;%d;%d;%d", layer, colour.red, colour.green,
                      colour.blue);
    return text.data();
}

std::string label_of(std::int64_t port) {
    std::string label = std::to_string(port);
    label.resize(label_width, ' ');
    return label;
}

constexpr std::string_view reset = "\x1b[0m";
constexpr std::string_view upper_half = "\xe2\x96\x80"; // U+2580

// Two rows of cells.
std::string draw_coloured(const PortMap &map, const MapSize &size, std::size_t row,
                          Palette palette) {
    std::string line;
    std::string last;
    for (std::size_t column = 0; column < size.columns; ++column) {
        const std::size_t above = row * size.columns + column;
        const std::size_t below = above + size.columns;
        if (!is_there(map, above, size.ports_per_cell))
            break;
        std::string style = code(class_of(map, above, size.ports_per_cell), palette, 38);
        if (is_there(map, below, size.ports_per_cell))
            style += ";" + code(class_of(map, below, size.ports_per_cell), palette, 48);
        else
            style = "0;" + style;
        if (style != last)
            line.append("\x1b[").append(style).append("m");
        last = style;
        line += upper_half;
    }
    return line.append(reset);
}

std::string draw_plain(const PortMap &map, const MapSize &size, std::size_t row) {
    std::string line;
    for (std::size_t column = 0; column < size.columns; ++column) {
        const std::size_t cell = row * size.columns + column;
        if (!is_there(map, cell, size.ports_per_cell))
            break;
        const Class of = class_of(map, cell, size.ports_per_cell);
        line += of ? glyphs.at(*of) : '.';
    }
    return line;
}

} // namespace

Palette choose_palette(Color color, Charset charset) {
    if (color == Color::off || charset == Charset::ascii)
        return Palette::none;
    const char *variable = std::getenv("COLORTERM");
    const std::string_view depth = variable ? variable : "";
    return depth == "truecolor" || depth == "24bit" ? Palette::direct : Palette::indexed;
}

MapSize size_of(const PortMap &map, std::size_t width, Palette palette) {
    const auto ports = static_cast<std::size_t>(map.high - map.low + 1);
    MapSize size;
    size.columns =
        std::clamp(width > label_width ? width - label_width : 0, least_columns, most_columns);
    // Whole eights, so that labels are even.
    size.columns -= size.columns % 8;
    const std::size_t most_rows = palette == Palette::none ? plain_lines : 2 * lines;
    const std::size_t per_cell =
        (ports + size.columns * most_rows - 1) / (size.columns * most_rows);
    size.ports_per_cell = static_cast<std::int64_t>(per_cell);
    size.rows = (ports + size.columns * per_cell - 1) / (size.columns * per_cell);
    return size;
}

std::vector<std::string> draw(const PortMap &map, const MapSize &size, Palette palette) {
    std::vector<std::string> drawn;
    const std::size_t step = palette == Palette::none ? 1 : 2;
    for (std::size_t row = 0; row < size.rows; row += step) {
        const auto first =
            map.low + static_cast<std::int64_t>(row * size.columns) * size.ports_per_cell;
        drawn.push_back(label_of(first) + (palette == Palette::none
                                               ? draw_plain(map, size, row)
                                               : draw_coloured(map, size, row, palette)));
    }
    return drawn;
}

std::vector<std::string> legend(const PortMap &map, Palette palette) {
    std::vector<std::string> drawn;
    for (std::size_t i = 0; i < map.classes.size(); ++i) {
        const PortClass &one = map.classes[i];
        if (one.ports == 0)
            continue;
        std::string count = std::to_string(one.ports);
        count.insert(0, count.size() < 5 ? 5 - count.size() : 0, ' ');
        const std::string mark = palette == Palette::none
                                     ? std::string(2, glyphs.at(i))
                                     : "\x1b[" + code(static_cast<std::uint8_t>(i), palette, 38) +
                                           "m" + "\xe2\x96\x88\xe2\x96\x88" +
                                           std::string(reset); // U+2588
        drawn.push_back(mark + " " + count + "  " + one.label);
    }
    return drawn;
}

} // namespace portd::client
