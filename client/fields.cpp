#include "client/fields.hpp"

#include "client/text.hpp"

#include <algorithm>

namespace portd::client {
namespace {

constexpr std::size_t narrowest_value = 20;

} // namespace

std::vector<std::string> Fields::lines(std::optional<std::size_t> width) const {
    std::size_t widest = 0;
    for (const auto &[name, value] : fields_)
        widest = std::max(widest, name.size());
    const std::size_t begin = widest + 2;
    std::vector<std::string> result;
    for (const auto &[name, value] : fields_) {
        std::string lead =
            std::string(widest - name.size(), ' ') + name + (name.empty() ? "  " : ": ");
        const std::size_t prose = std::min(value.find('\n'), value.size());
        auto parts =
            width ? wrap(value.substr(0, prose), std::max(*width, begin + narrowest_value) - begin)
                  : std::vector<std::string>{value.substr(0, prose)};
        if (prose < value.size())
            parts.push_back(value.substr(prose + 1));
        for (const std::string &part : parts) {
            result.push_back(lead + part);
            lead.assign(begin, ' ');
        }
    }
    return result;
}

} // namespace portd::client
