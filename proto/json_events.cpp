#include "proto/json_events.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace portd::proto {
namespace {

using boost::system::error_code;

constexpr std::size_t deepest = 64;

// What boost::json::basic_parser asks of its handler. Texts with escapes and numbers can come in
// parts.
class Handler {
  public:
    static constexpr auto max_object_size = static_cast<std::size_t>(-1);
    static constexpr auto max_array_size = static_cast<std::size_t>(-1);
    static constexpr auto max_key_size = static_cast<std::size_t>(-1);
    static constexpr auto max_string_size = static_cast<std::size_t>(-1);

    explicit Handler(JsonEvents &events) : events_(events) {}

    bool on_document_begin(error_code &) { return true; }
    bool on_document_end(error_code &) { return true; }
    bool on_object_begin(error_code &) { return events_.begin_object(), true; }
    bool on_object_end(std::size_t, error_code &) { return events_.end_object(), true; }
    bool on_array_begin(error_code &) { return events_.begin_array(), true; }
    bool on_array_end(std::size_t, error_code &) { return events_.end_array(), true; }
    bool on_key_part(std::string_view part, std::size_t, error_code &) { return keep(part); }
    bool on_key(std::string_view last, std::size_t, error_code &) {
        events_.key(whole(last));
        return forget();
    }
    bool on_string_part(std::string_view part, std::size_t, error_code &) { return keep(part); }
    bool on_string(std::string_view last, std::size_t, error_code &) {
        events_.text(whole(last));
        return forget();
    }
    bool on_number_part(std::string_view part, error_code &) { return keep(part); }
    bool on_int64(std::int64_t value, std::string_view, error_code &) {
        events_.integer(value);
        return forget();
    }
    bool on_uint64(std::uint64_t, std::string_view last, error_code &) { return other(last); }
    bool on_double(double, std::string_view last, error_code &) { return other(last); }
    bool on_bool(bool value, error_code &) { return events_.boolean(value), true; }
    bool on_null(error_code &) { return events_.null(), true; }
    bool on_comment_part(std::string_view, error_code &) { return true; }
    bool on_comment(std::string_view, error_code &) { return true; }

  private:
    bool keep(std::string_view part) {
        kept_ += part;
        return true;
    }
    bool forget() {
        kept_.clear();
        return true;
    }
    std::string_view whole(std::string_view last) {
        return kept_.empty() ? last : std::string_view(kept_ += last);
    }
    bool other(std::string_view last) {
        events_.other_number(whole(last));
        return forget();
    }

    JsonEvents &events_;
    std::string kept_;
};

} // namespace

bool read_json(std::string_view text, JsonEvents &events) {
    boost::json::parse_options options;
    options.max_depth = deepest;
    boost::json::basic_parser<Handler> parser(options, events);
    error_code error;
    const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
    return !error && read == text.size();
}

void read_json(const nlohmann::json &tree, JsonEvents &events) {
    using Type = nlohmann::json::value_t;
    switch (tree.type()) {
    case Type::object:
        events.begin_object();
        for (const auto &[name, value] : tree.items()) {
            events.key(name);
            read_json(value, events);
        }
        return events.end_object();
    case Type::array:
        events.begin_array();
        for (const auto &value : tree)
            read_json(value, events);
        return events.end_array();
    case Type::string:
        return events.text(tree.get_ref<const std::string &>());
    case Type::boolean:
        return events.boolean(tree.get<bool>());
    case Type::number_integer:
        return events.integer(tree.get<std::int64_t>());
    case Type::number_unsigned:
        if (std::in_range<std::int64_t>(tree.get<std::uint64_t>()))
            return events.integer(tree.get<std::int64_t>());
        return events.other_number(tree.dump());
    case Type::number_float:
        return events.other_number(tree.dump());
    case Type::null:
    case Type::binary: // JSON has none
    case Type::discarded:
        return events.null();
    }
}

} // namespace portd::proto
