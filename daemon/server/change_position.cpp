#include "change_position.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace portd::server {
namespace {

// The kind and version of the cursor, then the fields, joined by '-'. Numbers are hexadecimal, as
// the 64 bits that they are.
constexpr char separator = '-';
constexpr std::size_t fields_of_a_cursor = 10;
constexpr std::size_t longest_boot_id_start = 8;

std::string_view kind_of(CursorOf method) {
    return method == CursorOf::watch ? "w1" : "e1";
}

std::string number(std::int64_t value) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                   static_cast<std::uint64_t>(value), 16)
                         .ptr;
    return {digits.data(), end};
}

class FieldReader {
  public:
    explicit FieldReader(std::string_view cursor) {
        for (std::size_t begin = 0; fields_.size() <= fields_of_a_cursor;) {
            const std::size_t end = cursor.find(separator, begin);
            fields_.push_back(cursor.substr(begin, end - begin));
            if (end == std::string_view::npos)
                break;
            begin = end + 1;
        }
        is_good_ = fields_.size() == fields_of_a_cursor;
    }

    std::string_view text() { return is_good_ ? fields_[next_++] : ""; }

    std::int64_t number() {
        const std::string_view field = text();
        std::uint64_t value = 0;
        const auto [end, error] =
            std::from_chars(field.data(), field.data() + field.size(), value, 16);
        is_good_ = is_good_ && error == std::errc() && end == field.data() + field.size();
        return static_cast<std::int64_t>(value);
    }

    bool is_good() const { return is_good_; }

  private:
    std::vector<std::string_view> fields_;
    std::size_t next_ = 0;
    bool is_good_ = false;
};

std::string to_text(const model::EndMark &mark) {
    return mark.boot_id + separator + number(mark.at_us) + separator + number(mark.last_serial);
}

model::EndMark read_mark(FieldReader &fields) {
    model::EndMark mark;
    mark.boot_id = fields.text();
    mark.at_us = fields.number();
    mark.last_serial = fields.number();
    return mark;
}

bool is_boot_id_start(std::string_view text) {
    return text.size() <= longest_boot_id_start &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

} // namespace

std::string to_cursor(const ChangePosition &position, CursorOf method) {
    return std::string(kind_of(method)) + separator + to_text(position.window.after) + separator +
           to_text(position.window.by) + separator +
           (position.reached ? number(*position.reached) : "") + separator + number(position.gap) +
           separator + number(position.opened);
}

std::optional<ChangePosition> parse_cursor(std::string_view cursor, CursorOf method) {
    FieldReader fields(cursor);
    if (fields.text() != kind_of(method))
        return std::nullopt;
    ChangePosition position;
    position.window.after = read_mark(fields);
    position.window.by = read_mark(fields);
    FieldReader ahead = fields;
    if (!ahead.text().empty())
        position.reached = fields.number();
    else
        fields.text();
    position.gap = fields.number();
    position.opened = fields.number();
    const auto &[after, by] = position.window;
    if (!fields.is_good() || !is_boot_id_start(after.boot_id) || !is_boot_id_start(by.boot_id) ||
        by.at_us < after.at_us)
        return std::nullopt;
    return position;
}

} // namespace portd::server
