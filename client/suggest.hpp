// "Did you mean …": the word that was meant by a mistyped one.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace portd::client {

// Fewest insertions, deletions, substitutions and swaps of neighbours that turn one word into the
// other (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest of the known words: one that begins with what was typed, or differs from it by at
// most one edit in three characters. Nothing if none does.
std::optional<std::string> nearest_word(std::string_view typed, std::span<const std::string> known);

} // namespace portd::client
