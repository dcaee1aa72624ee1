#include "client/text.hpp"

#include "proto/utf8.hpp"

#include <wchar.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace portd::client {
namespace {

using proto::Character;
using proto::first_character;

// Characters that show nothing themselves and change how others are shown: category Cf of the
// Unicode character database, with the line and paragraph separators.
bool is_format_character(char32_t code) {
    struct Range {
        char32_t first;
        char32_t last;
    };
    static constexpr std::array<Range, 20> ranges{{
        {0xad, 0xad},       {0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},
        {0x70f, 0x70f},     {0x890, 0x891},     {0x8e2, 0x8e2},     {0x180e, 0x180e},
        {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},   {0xfe00, 0xfe0f},
        {0xfeff, 0xfeff},   {0xfff9, 0xfffb},   {0x110bd, 0x110cd}, {0x13430, 0x1343f},
        {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, {0x3164, 0x3164},
    }};
    return std::any_of(ranges.begin(), ranges.end(), [code](const Range &range) {
        return range.first <= code && code <= range.last;
    });
}

// Columns, or -1 for what must not be printed.
int columns_of(char32_t code) {
    if (code < 0x80)
        return code >= 0x20 && code != 0x7f ? 1 : -1;
    if (code < 0xa0 || is_format_character(code))
        return -1;
    return ::wcwidth(static_cast<wchar_t>(code));
}

std::string escape_of(const Character &character, char first_byte) {
    std::array<char, 16> text{};
    if (!character.valid || character.code < 0x80)
        std::snprintf(text.data(), text.size(), "\\x%02x",
                      static_cast<unsigned>(static_cast<unsigned char>(first_byte)));
    else
        std::snprintf(text.data(), text.size(), character.code > 0xffff ? "\\U%08x" : "\\u%04x",
                      static_cast<unsigned>(character.code));
    return text.data();
}

std::string_view ellipsis(Charset charset) {
    return charset == Charset::utf8 ? "…" : "..";
}
std::size_t ellipsis_width(Charset charset) {
    return charset == Charset::utf8 ? 1 : 2;
}

// A character with what combines with it.
struct Glyph {
    std::string_view text;
    std::size_t width = 0;
};

std::vector<Glyph> glyphs_of(std::string_view text) {
    std::vector<Glyph> glyphs;
    while (!text.empty()) {
        const Character character = first_character(text);
        const auto width = static_cast<std::size_t>(std::max(columns_of(character.code), 0));
        if (width == 0 && !glyphs.empty()) {
            const std::string_view base = glyphs.back().text;
            glyphs.back().text = {base.data(), base.size() + character.bytes};
        } else {
            glyphs.push_back({text.substr(0, character.bytes), width});
        }
        text.remove_prefix(character.bytes);
    }
    return glyphs;
}

// The glyphs from `first` towards `last` that fit into `width`.
template <typename Iterator>
std::vector<Glyph> fitting(Iterator first, Iterator last, std::size_t width) {
    std::vector<Glyph> result;
    for (; first != last && first->width <= width; ++first) {
        width -= first->width;
        result.push_back(*first);
    }
    return result;
}

} // namespace

std::string escape_text(std::string_view text, Charset charset) {
    std::string result;
    result.reserve(text.size());
    bool has_base = false;
    while (!text.empty()) {
        const Character character = first_character(text);
        const int columns = character.valid ? columns_of(character.code) : -1;
        const bool shown = columns > 0 || (columns == 0 && has_base);
        if (shown && (charset == Charset::utf8 || character.code < 0x80))
            result += text.substr(0, character.bytes);
        else
            result += escape_of(character, text.front());
        has_base = shown;
        text.remove_prefix(character.bytes);
    }
    return result;
}

std::string in_quotes(std::string_view text) {
    return "'" + escape_text(text, Charset::utf8) + "'";
}

std::string counted(std::int64_t count, std::string_view noun) {
    return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::size_t display_width(std::string_view escaped) {
    std::size_t width = 0;
    while (!escaped.empty()) {
        const Character character = first_character(escaped);
        width += static_cast<std::size_t>(std::max(columns_of(character.code), 0));
        escaped.remove_prefix(character.bytes);
    }
    return width;
}

std::string cut_end(std::string_view escaped, std::size_t width, Charset charset) {
    if (display_width(escaped) <= width)
        return std::string(escaped);
    const std::size_t mark = ellipsis_width(charset);
    if (width < mark)
        return std::string(width, '.');
    const auto glyphs = glyphs_of(escaped);
    std::string result;
    for (const Glyph &glyph : fitting(glyphs.begin(), glyphs.end(), width - mark))
        result += glyph.text;
    return result.append(ellipsis(charset));
}

namespace {

std::size_t width_without_styles(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const std::size_t style = text.find('\x1b');
        width += display_width(text.substr(0, style));
        if (style == std::string_view::npos)
            break;
        const std::size_t end = text.find('m', style);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return width;
}

// Moves what fits into `width` from the beginning of the word; at least one character.
std::string take_fitting(std::string_view &word, std::size_t width) {
    const auto glyphs = glyphs_of(word);
    std::size_t bytes = glyphs.front().text.size();
    std::size_t used = glyphs.front().width;
    for (std::size_t i = 1; i < glyphs.size() && used + glyphs[i].width <= width; ++i) {
        used += glyphs[i].width;
        bytes += glyphs[i].text.size();
    }
    const std::string taken(word.substr(0, bytes));
    word.remove_prefix(bytes);
    return taken;
}

} // namespace

std::vector<std::string> wrap(std::string_view escaped, std::size_t width) {
    std::vector<std::string> lines(1);
    std::size_t used = 0;
    const auto begin_line = [&] {
        lines.emplace_back();
        used = 0;
    };
    while (!escaped.empty()) {
        std::string_view word = escaped.substr(0, escaped.find(' '));
        escaped.remove_prefix(std::min(word.size() + 1, escaped.size()));
        std::size_t word_width = width_without_styles(word);
        if (used > 0 && used + 1 + word_width > width)
            begin_line();
        else if (used > 0)
            ++used, lines.back() += ' ';
        while (word_width > width && word.find('\x1b') == std::string_view::npos) {
            lines.back() += take_fitting(word, width);
            word_width = display_width(word);
            begin_line();
        }
        lines.back() += word;
        used += word_width;
    }
    if (lines.size() > 1 && lines.back().empty())
        lines.pop_back();
    return lines;
}

std::string cut_middle(std::string_view escaped, std::size_t width, Charset charset) {
    if (display_width(escaped) <= width)
        return std::string(escaped);
    const std::size_t mark = ellipsis_width(charset);
    if (width < mark)
        return std::string(width, '.');
    const auto glyphs = glyphs_of(escaped);
    const std::size_t tail_width = (width - mark + 1) / 2;
    auto tail = fitting(glyphs.rbegin(), glyphs.rend(), tail_width);
    std::string result;
    for (const Glyph &glyph : fitting(glyphs.begin(), glyphs.end(), width - mark - tail_width))
        result += glyph.text;
    result += ellipsis(charset);
    for (auto glyph = tail.rbegin(); glyph != tail.rend(); ++glyph)
        result += glyph->text;
    return result;
}

} // namespace portd::client
