// A range of ports as a picture: each cell stands for a few ports, and shows the class that most of
// those have that are in use. Pure.
//
// With colour a character holds two cells, one above the other, as its foreground and background
// (half blocks). Without, each cell is a character of its own.
#pragma once

#include "client/table.hpp"
#include "client/text.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::client {

// What the terminal can show beside plain text: the 256 colours of xterm, or any (SGR 38;2).
enum class Palette { none, indexed, direct };
// COLORTERM of the environment says `truecolor` or `24bit` for the latter.
Palette choose_palette(Color color, Charset charset);

// What a port can be coloured as. Beyond most_classes there is no colour left.
struct PortClass {
    std::string label; // escaped
    std::int64_t ports = 0;
};
inline constexpr std::size_t most_classes = 10;

struct PortMap {
    std::int64_t low = 0;
    std::int64_t high = 0;
    std::vector<PortClass> classes;
    std::vector<std::optional<std::uint8_t>> ports; // of low and up: the class; nothing: free
};

struct MapSize {
    std::size_t columns = 0; // of cells
    std::size_t rows = 0;
    std::int64_t ports_per_cell = 0;
};
// That which fits `width` columns of the terminal.
MapSize size_of(const PortMap &map, std::size_t width, Palette palette);

std::vector<std::string> draw(const PortMap &map, const MapSize &size, Palette palette);
// One line for each class that has ports.
std::vector<std::string> legend(const PortMap &map, Palette palette);

} // namespace portd::client
