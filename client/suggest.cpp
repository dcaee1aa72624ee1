#include "client/suggest.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace portd::client {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> two_above;
    std::vector<std::size_t> above(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        above[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::vector<std::size_t> row(b.size() + 1, i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substituted = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, substituted});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped)
                row[j] = std::min(row[j], two_above[j - 2] + 1);
        }
        two_above = std::exchange(above, std::move(row));
    }
    return above.back();
}

std::optional<std::string> nearest_word(std::string_view typed,
                                        std::span<const std::string> known) {
    constexpr std::size_t longest_typed = 64;
    if (typed.empty() || typed.size() > longest_typed)
        return std::nullopt;
    const std::size_t allowed = std::max<std::size_t>(typed.size() / 3, 1);
    std::optional<std::pair<std::size_t, std::string>> best;
    for (const std::string &word : known) {
        const bool is_beginning = typed.size() > 1 && word.starts_with(typed);
        const std::size_t distance = is_beginning ? 1 : edit_distance(typed, word);
        if (distance <= allowed && (!best || distance < best->first))
            best = {distance, word};
    }
    return best ? std::optional(best->second) : std::nullopt;
}

} // namespace portd::client
