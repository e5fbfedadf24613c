module.exports = function tally(list) {
    return list.reduce((counts, name) => ({ ...counts, [name]: (counts[name] ?? 0) + 1 }), {});
};
